import Synchronization

/// The places that a request's texts take; a text gives its place back when it ends, whoever reads it.
final class Stay: Sendable {
  private let model: ServedModel
  private let count: Mutex<Int>

  init(_ model: ServedModel, _ count: Int) {
    self.model = model
    self.count = Mutex(count)
  }

  func endOne() { end(1) }
  func endAll() { end(.max) }

  private func end(_ number: Int) {
    let ended = count.withLock { count in
      let ended = min(number, count)
      count -= ended
      return ended
    }
    if ended > 0 { model.leave(ended) }
  }
}
