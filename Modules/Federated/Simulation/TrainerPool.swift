import Synchronization
import Tensor

/// Trainers for parallel work over devices: one for each thread, each with its own networks.
///
/// A piece of work is done by whichever trainer is free, and its result depends on the piece alone, so
/// the number of threads changes nothing.
final class TrainerPool {
  private let task: any FederatedTask
  private var trainers: [LocalTrainer] = []

  init(_ task: any FederatedTask) { self.task = task }

  /// Results of `body` for 0 ..< count, in order.
  func map<Value>(
    _ count: Int,
    _ body: (_ trainer: LocalTrainer, _ index: Int) -> Value
  ) -> [Value] {
    let lanes = max(1, min(WorkPool.threadCount, count))
    while trainers.count < lanes { trainers.append(LocalTrainer(task)) }
    let next = Atomic(0)
    var values = [Value?](repeating: nil, count: count)
    values.withUnsafeMutableBufferPointer { values in
      // Every index is taken by one lane alone.
      let target = UncheckedBuffer(values)
      WorkPool.forEach(parts: lanes) { lane in
        while true {
          let index = next.add(1, ordering: .relaxed).oldValue
          guard index < count else { return }
          target.buffer[index] = body(trainers[lane], index)
        }
      }
    }
    return values.compactMap { $0 }
  }
}

private struct UncheckedBuffer<Value> {
  let buffer: UnsafeMutableBufferPointer<Value?>
  init(_ buffer: UnsafeMutableBufferPointer<Value?>) { self.buffer = buffer }
}
