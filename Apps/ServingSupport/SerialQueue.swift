import Dispatch

/// Does one thing after the other, on a thread that may take its time: those of tasks are few, and answer
/// everybody.
final class SerialQueue: Sendable {
  private let queue: DispatchQueue

  init(_ name: String) { queue = DispatchQueue(label: name) }

  func perform<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: .init { try body() }) }
    }
  }
}
