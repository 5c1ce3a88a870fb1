import Tensor

/// Which of many numbers have the largest magnitude, those of lower index first where they tie.
///
/// Two passes over the bits of |x|, whose order is that of the numbers: O(n), without a sort.
struct LargestMagnitudes {
  /// The bits of the smallest |x| that is kept.
  let threshold: UInt32
  /// How many of the numbers with just that magnitude are kept.
  let tieCount: Int

  /// The `count` largest of all numbers in several runs.
  init(_ count: Int, of runs: [Tensor<Float>]) {
    let (high, above) = Self.select(count, runs) { $0 >> 16 }
    let (low, inside) = Self.select(count - above, runs) { bits in
      bits >> 16 == high ? bits & 0xFFFF : nil
    }
    threshold = high << 16 | low
    tieCount = count - above - inside
  }

  /// The class that the last of the `count` largest falls into, and how many lie in classes above.
  private static func select(
    _ count: Int,
    _ runs: [Tensor<Float>],
    _ classOf: (UInt32) -> UInt32?
  ) -> (index: UInt32, above: Int) {
    var histogram = [Int](repeating: 0, count: 1 << 16)
    for run in runs {
      run.withUnsafeElements { elements in
        for element in elements {
          if let index = classOf(element.magnitude.bitPattern) { histogram[Int(index)] += 1 }
        }
      }
    }
    var above = 0
    for index in histogram.indices.reversed() where histogram[index] > 0 {
      if above + histogram[index] >= count { return (UInt32(index), above) }
      above += histogram[index]
    }
    return (0, above)
  }

  /// Calls `body` with the index of each number of a run that is kept, ascending.
  ///
  /// - Parameters:
  ///   - run: the next of the runs.
  ///   - ties: how many numbers at the threshold earlier runs kept.
  ///   - body: takes an index.
  func forEach(in run: Tensor<Float>, ties: inout Int, _ body: (Int) -> Void) {
    run.withUnsafeElements { elements in
      for (index, element) in elements.enumerated() {
        let bits = element.magnitude.bitPattern
        if bits > threshold {
          body(index)
        } else if bits == threshold, ties < tieCount {
          ties += 1
          body(index)
        }
      }
    }
  }

  /// A mask for each run: the `count` largest of all.
  static func masks(_ count: Int, of runs: [Tensor<Float>]) -> [BitSet] {
    guard count > 0 else { return runs.map { BitSet(count: $0.count) } }
    let largest = LargestMagnitudes(count, of: runs)
    var ties = 0
    return runs.map { run in
      var mask = BitSet(count: run.count)
      largest.forEach(in: run, ties: &ties) { mask.insert($0) }
      return mask
    }
  }
}
