import Synchronization
import Tensor

/// The random numbers that layers draw in the first run of a checkpointed body, for the second run
/// to draw again.
///
/// Bodies may be nested: the first run of an inner one takes its numbers through the outer one, which
/// may itself be running again.
final class CheckpointDraws: Sendable {
  private struct State {
    var numbers: [UInt64] = []
    /// Which number a second run draws next; nil in the first run.
    var place: Int?

    /// The next number of a second run; nil in the first.
    mutating func next() -> UInt64? {
      guard let index = place else { return nil }
      expect(
        index < numbers.count,
        "checkpointed: the second run draws more than the \(numbers.count) numbers of the first"
      )
      place = index + 1
      return numbers[index]
    }
  }

  @TaskLocal private static var current: CheckpointDraws?
  private let outer = CheckpointDraws.current
  private let state = Mutex(State())

  /// A number of the generator, or the one that was drawn in its place before.
  static func draw(from generator: inout Philox) -> UInt64 {
    current?.draw(from: &generator) ?? generator.next()
  }

  /// Whether what runs here has run before.
  static var isReplaying: Bool { current?.isReplaying ?? false }

  /// Runs a body for the first time.
  func recording<Result>(_ body: () -> Result) -> Result {
    Self.$current.withValue(self, operation: body)
  }

  /// Runs it again.
  func replaying<Result>(_ body: () -> Result) -> Result {
    state.withLock { $0.place = 0 }
    return Self.$current.withValue(self, operation: body)
  }

  private var isReplaying: Bool {
    state.withLock { $0.place != nil } || outer?.isReplaying ?? false
  }

  private func draw(from generator: inout Philox) -> UInt64 {
    if let number = state.withLock({ $0.next() }) { return number }
    let number = outer?.draw(from: &generator) ?? generator.next()
    state.withLock { $0.numbers.append(number) }
    return number
  }
}
