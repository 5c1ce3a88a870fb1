import Tensor

/// A few of many numbers: their places, ascending, and their values.
public struct SparseValues: Hashable, Sendable {
  /// The places, ascending.
  public let indices: [Int32]
  /// The values.
  public let values: [Float]

  /// The `count` largest of some numbers by magnitude; of equal ones those of lower index.
  public init(largest count: Int, of numbers: [Float]) {
    let run = Tensor(numbers)
    var (indices, values): ([Int32], [Float]) = ([], [])
    let count = min(count, numbers.count)
    if count > 0 {
      indices.reserveCapacity(count)
      values.reserveCapacity(count)
      var ties = 0
      LargestMagnitudes(count, of: [run]).forEach(in: run, ties: &ties) { index in
        indices.append(Int32(index))
        values.append(numbers[index])
      }
    }
    (self.indices, self.values) = (indices, values)
  }
}
