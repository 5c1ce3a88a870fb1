import Tensor

/// A truth value for each of a fixed number of entries, 64 to a word.
public struct BitSet: Hashable, Sendable {
  /// How many entries there are.
  public let count: Int
  /// Entry i is bit i mod 64 of word i / 64; bits behind the last entry are 0.
  public private(set) var words: [UInt64]

  /// Entries that are all `value`.
  public init(repeating value: Bool = false, count: Int) {
    expect(count >= 0, "bit set: \(count) entries")
    self.count = count
    words = [UInt64](repeating: value ? .max : 0, count: (count + 63) / 64)
    if value { clearTail() }
  }

  /// The entries of a list.
  public init(_ values: some Collection<Bool>) {
    self.init(count: values.count)
    for (index, value) in values.enumerated() where value { insert(index) }
  }

  /// Entries from words; nil unless there are as many words as needed, without bits behind the end.
  public init?(words: [UInt64], count: Int) {
    guard count >= 0, words.count == (count + 63) / 64 else { return nil }
    self.count = count
    self.words = words
    clearTail()
    if self.words != words { return nil }
  }

  private mutating func clearTail() {
    if count % 64 != 0, let last = words.indices.last {
      words[last] &= (1 << UInt64(count % 64)) - 1
    }
  }

  /// The entry at an index.
  public subscript(index: Int) -> Bool {
    get { words[index >> 6] >> UInt64(index & 63) & 1 != 0 }
    set { if newValue { insert(index) } else { remove(index) } }
  }

  /// Sets an entry.
  public mutating func insert(_ index: Int) {
    expect(index >= 0 && index < count, "bit set: entry \(index) of \(count)")
    words[index >> 6] |= 1 << UInt64(index & 63)
  }

  /// Clears an entry.
  public mutating func remove(_ index: Int) {
    expect(index >= 0 && index < count, "bit set: entry \(index) of \(count)")
    words[index >> 6] &= ~(1 << UInt64(index & 63))
  }

  /// How many entries are set.
  public var setCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// The indices of the entries that are set, ascending.
  public var indices: [Int] {
    var result: [Int] = []
    result.reserveCapacity(setCount)
    forEachSet { result.append($0) }
    return result
  }

  /// Calls `body` with the index of each entry that is set, ascending.
  func forEachSet(_ body: (Int) -> Void) {
    for (place, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        body((place << 6) + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }

  /// The entries that both sets have.
  public func intersection(_ other: BitSet) -> BitSet { combined(other) { $0 & $1 } }

  /// The entries that one of the sets has.
  public func union(_ other: BitSet) -> BitSet { combined(other) { $0 | $1 } }

  private func combined(_ other: BitSet, _ operation: (UInt64, UInt64) -> UInt64) -> BitSet {
    expect(count == other.count, "bit set: sizes differ, \(count) · \(other.count)")
    var result = self
    for index in words.indices { result.words[index] = operation(words[index], other.words[index]) }
    return result
  }
}
