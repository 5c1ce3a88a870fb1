/// A hash table from two 32-bit numbers to two 32-bit numbers.
///
/// Merge tables (left id, right id → rank, id) and tries (node, byte → child) are both this. Open
/// addressing with linear probing; key and value lie side by side, so a look-up touches one cache
/// line. The hash is seeded afresh for each table: a file cannot choose keys that collide.
struct PairTable: Sendable {
  /// What a pair maps to.
  struct Value: Equatable {
    var first: UInt32
    var second: UInt32
  }

  /// Key and value alternate; a key of all ones marks a free slot.
  private var slots: [UInt64]
  private var mask: Int
  private let seed: UInt64
  private(set) var count = 0

  private static let free = UInt64.max

  init(minimumCapacity: Int) {
    var capacity = 16
    while capacity < minimumCapacity * 2 { capacity *= 2 }
    slots = [UInt64](repeating: PairTable.free, count: capacity * 2)
    mask = capacity - 1
    seed = UInt64.random(in: .min ... .max)
  }

  /// The value of the pair, if it has one; `(UInt32.max, UInt32.max)` never has.
  @inline(__always)
  func value(_ left: UInt32, _ right: UInt32) -> Value? {
    let key = UInt64(left) << 32 | UInt64(right)
    return slots.withUnsafeBufferPointer { slots in
      var index = home(of: key)
      while true {
        let found = slots[index * 2]
        if found == PairTable.free { return nil }
        if found == key {
          let value = slots[index * 2 + 1]
          return Value(
            first: UInt32(truncatingIfNeeded: value >> 32),
            second: UInt32(truncatingIfNeeded: value)
          )
        }
        index = (index + 1) & mask
      }
    }
  }

  /// Sets the value of a pair; a later value replaces an earlier one.
  mutating func set(_ left: UInt32, _ right: UInt32, to value: Value) {
    if count * 2 >= mask { grow() }
    let isNew = insert(
      key: UInt64(left) << 32 | UInt64(right),
      value: UInt64(value.first) << 32 | UInt64(value.second)
    )
    if isNew { count += 1 }
  }

  @inline(__always)
  private func home(of key: UInt64) -> Int {
    let product = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return Int(truncatingIfNeeded: product.high ^ product.low) & mask
  }

  private mutating func insert(key: UInt64, value: UInt64) -> Bool {
    var index = home(of: key)
    while slots[index * 2] != PairTable.free, slots[index * 2] != key {
      index = (index + 1) & mask
    }
    let isNew = slots[index * 2] == PairTable.free
    slots[index * 2] = key
    slots[index * 2 + 1] = value
    return isNew
  }

  private mutating func grow() {
    let old = slots
    mask = mask * 2 + 1
    slots = [UInt64](repeating: PairTable.free, count: (mask + 1) * 2)
    for index in stride(from: 0, to: old.count, by: 2) where old[index] != PairTable.free {
      _ = insert(key: old[index], value: old[index + 1])
    }
  }
}
