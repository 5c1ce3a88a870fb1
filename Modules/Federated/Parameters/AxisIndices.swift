import Tensor

/// The indices that are kept along one axis, as ascending runs.
///
/// A prefix is one run, a rolling window at most two. The kept part of a tensor lies in ascending
/// order of its indices, whatever order they were drawn in.
public struct AxisIndices: Hashable, Sendable {
  /// The extent of the whole axis.
  public let extent: Int
  /// The kept ranges: ascending, not empty, not touching.
  public let runs: [Range<Int>]
  /// How many indices are kept.
  public let count: Int

  /// All indices of an axis.
  public init(all extent: Int) { self.init(prefix: extent, of: extent) }

  /// The first `count` indices of an axis.
  public init(prefix count: Int, of extent: Int) {
    expect(
      count >= 0 && count <= extent,
      "axis indices: a prefix of \(count) of \(extent)"
    )
    self.extent = extent
    self.count = count
    runs = count == 0 ? [] : [0..<count]
  }

  /// Given indices of an axis in any order; doubles count once.
  public init(_ indices: some Sequence<Int>, of extent: Int) {
    var runs: [Range<Int>] = []
    for index in indices.sorted() {
      expect(index >= 0 && index < extent, "axis indices: \(index) of \(extent)")
      guard let last = runs.last, index <= last.upperBound else {
        runs.append(index..<index + 1)
        continue
      }
      if index == last.upperBound {
        runs[runs.count - 1] = last.lowerBound..<index + 1
      }
    }
    self.init(runs: runs, of: extent)
  }

  /// Ascending ranges of an axis; those that touch are joined.
  package init(runs: [Range<Int>], of extent: Int) {
    var joined: [Range<Int>] = []
    for run in runs where !run.isEmpty {
      if let last = joined.last, last.upperBound == run.lowerBound {
        joined[joined.count - 1] = last.lowerBound..<run.upperBound
      } else {
        joined.append(run)
      }
    }
    self.extent = extent
    self.runs = joined
    count = joined.reduce(0) { $0 + $1.count }
  }

  /// Whether every index is kept.
  public var isAll: Bool { count == extent }

  /// The kept indices, ascending.
  public var indices: [Int] { runs.flatMap { Array($0) } }

  /// Whether an index is kept.
  public func contains(_ index: Int) -> Bool { runs.contains { $0.contains(index) } }

  /// The indices that both keep.
  public func intersection(_ other: AxisIndices) -> AxisIndices {
    expect(extent == other.extent, "axis indices: extents differ, \(extent) · \(other.extent)")
    var (a, b) = (0, 0)
    var result: [Range<Int>] = []
    while a < runs.count, b < other.runs.count {
      let common = runs[a].clamped(to: other.runs[b])
      if !common.isEmpty { result.append(common) }
      if runs[a].upperBound < other.runs[b].upperBound { a += 1 } else { b += 1 }
    }
    return AxisIndices(runs: result, of: extent)
  }

  /// The indices that remain when `inner` keeps only some of the kept ones.
  public func selecting(_ inner: AxisIndices) -> AxisIndices {
    expect(inner.extent == count, "axis indices: \(inner.extent) to select from \(count) kept")
    var result: [Range<Int>] = []
    var first = 0
    for run in runs {
      for piece in inner.runs {
        let common = piece.clamped(to: first..<first + run.count)
        guard !common.isEmpty else { continue }
        let start = run.lowerBound + common.lowerBound - first
        result.append(start..<start + common.count)
      }
      first += run.count
    }
    return AxisIndices(runs: result, of: extent)
  }

  /// Where the kept channels lie on an axis of `blocks` times the channels, each at `positions`
  /// neighbouring places: heads of attention, or planes that were flattened.
  public func wired(blocks: Int = 1, positions: Int = 1) -> AxisIndices {
    guard blocks != 1 || positions != 1 else { return self }
    let block = extent * positions
    var result: [Range<Int>] = []
    for index in 0..<blocks {
      for run in runs {
        let (lower, upper) = (run.lowerBound * positions, run.upperBound * positions)
        result.append(index * block + lower..<index * block + upper)
      }
    }
    return AxisIndices(runs: result, of: blocks * block)
  }
}
