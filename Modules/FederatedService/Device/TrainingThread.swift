import Dispatch

/// Runs work apart from the threads of the language's own pool.
///
/// That pool has as many threads as the device has cores. Training for minutes on a device with one
/// core would keep it from sending its signs of life.
final class TrainingThread: Sendable {
  private let queue = DispatchQueue(label: "federated-training")

  func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result(catching: body)) }
    }
  }
}
