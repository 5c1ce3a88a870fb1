/// Numbers of 32 bits as unsigned keys in the same order, each with its place in the lower half.
///
/// Equal numbers stay in their order (−0 equals 0), and a NaN is greater than all others.
enum SortKeys {
  /// The key of a float: sign and magnitude become an offset.
  @inline(__always)
  static func key(_ value: Float) -> UInt32 {
    if value.isNaN { return .max }
    let bits = (value + 0).bitPattern
    return bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
  }

  /// The key of an integer.
  @inline(__always)
  static func key(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) ^ 0x8000_0000 }

  /// A key with its place; `descending` turns the order of the keys alone.
  @inline(__always)
  static func packed(_ key: UInt32, at place: Int, descending: Bool) -> UInt64 {
    UInt64(descending ? ~key : key) << 32 | UInt64(UInt32(truncatingIfNeeded: place))
  }

  /// Sorts by the keys; keys that are equal must come in the order of their places.
  static func sort(
    _ keys: UnsafeMutableBufferPointer<UInt64>,
    scratch: UnsafeMutableBufferPointer<UInt64>
  ) {
    guard keys.count > 512, let a = keys.baseAddress, let b = scratch.baseAddress else {
      var keys = keys
      keys.sort()
      return
    }
    // A radix sort of 11 bits a pass over the upper half: stable, so the places stay in order.
    var (from, to) = (a, b)
    for shift in [32, 43, 54] as [UInt64] {
      withUnsafeTemporaryAllocation(of: Int.self, capacity: 2048) { starts in
        starts.initialize(repeating: 0)
        for index in 0..<keys.count { starts[Int(from[index] >> shift & 2047)] += 1 }
        var total = 0
        for digit in 0..<2048 { (starts[digit], total) = (total, total + starts[digit]) }
        for index in 0..<keys.count {
          let digit = Int(from[index] >> shift & 2047)
          to[starts[digit]] = from[index]
          starts[digit] += 1
        }
      }
      swap(&from, &to)
    }
    // Three passes end in the scratch.
    a.update(from: from, count: keys.count)
  }

  /// Keeps the smallest `count` keys of `keys` in front, sorted: a heap of the best so far.
  static func select(
    _ count: Int,
    _ keys: UnsafeMutableBufferPointer<UInt64>,
    scratch: UnsafeMutableBufferPointer<UInt64>
  ) {
    guard count > 0 else { return }
    if count * 8 > keys.count {
      sort(keys, scratch: scratch)
      return
    }
    let heap = UnsafeMutableBufferPointer(rebasing: keys[..<count])
    for root in stride(from: count / 2 - 1, through: 0, by: -1) { sink(heap, root) }
    for index in count..<keys.count where keys[index] < heap[0] {
      heap[0] = keys[index]
      sink(heap, 0)
    }
    sort(heap, scratch: scratch)
  }

  /// Restores the heap, largest first, below `root`.
  @inline(__always)
  private static func sink(_ heap: UnsafeMutableBufferPointer<UInt64>, _ root: Int) {
    let value = heap[root]
    var root = root
    while true {
      var child = 2 * root + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count && heap[child + 1] > heap[child] { child += 1 }
      guard heap[child] > value else { break }
      heap[root] = heap[child]
      root = child
    }
    heap[root] = value
  }
}
