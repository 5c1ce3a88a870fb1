/// The byte strings of a vocabulary, by id and by content.
///
/// All bytes lie in one array; an open-addressing table of (32 hash bits, id) finds a string with
/// one probe and one comparison as a rule. The hash is seeded per table, so that a file cannot
/// choose tokens that collide.
struct TokenTable: Sendable {
  private var bytes: [UInt8] = []
  private var starts: [Int32] = []
  /// The length of each token, −1 where an id has no token.
  private var lengths: [Int32] = []
  /// Half of the hash above, the id below; all ones when free.
  private var slots: [UInt64]
  private let mask: Int
  private let seed: UInt64
  /// The number of ids, holes included.
  var count: Int { lengths.count }
  /// The longest token in bytes.
  private(set) var longest = 0

  private static let free = UInt64.max

  /// A table for ids below `idCount`, all without a token yet.
  init(idCount: Int) {
    var capacity = 16
    while capacity < idCount * 2 { capacity *= 2 }
    slots = [UInt64](repeating: TokenTable.free, count: capacity)
    mask = capacity - 1
    seed = UInt64.random(in: .min ... .max)
    starts = [Int32](repeating: 0, count: idCount)
    lengths = [Int32](repeating: -1, count: idCount)
  }

  /// Whether `id` has a token.
  func contains(_ id: Int32) -> Bool {
    id >= 0 && Int(id) < lengths.count && lengths[Int(id)] >= 0
  }

  /// The bytes of a token, nil where the id has none.
  func token(_ id: Int32) -> ArraySlice<UInt8>? {
    guard contains(id) else { return nil }
    let start = Int(starts[Int(id)])
    return bytes[start..<start + Int(lengths[Int(id)])]
  }

  /// Stores the bytes of an id; with `isFindable`, `id(of:)` will find them.
  ///
  /// - Returns: The id that had the same bytes before; it stays the one that is found.
  @discardableResult
  mutating func insert(_ token: UTF8Text, id: Int32, isFindable: Bool = true) -> Int32? {
    starts[Int(id)] = Int32(bytes.count)
    lengths[Int(id)] = Int32(token.count)
    bytes.append(contentsOf: token)
    guard isFindable else { return nil }
    longest = max(longest, token.count)
    if let earlier = self.id(of: token, from: 0, to: token.count) { return earlier }
    let hash = self.hash(token, from: 0, to: token.count)
    var index = Int(truncatingIfNeeded: hash) & mask
    while slots[index] != TokenTable.free { index = (index + 1) & mask }
    slots[index] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(UInt32(bitPattern: id))
    return nil
  }

  /// The tokens that `keeps` accepts, under their ids.
  func restricted(to keeps: (Int32) -> Bool) -> TokenTable {
    var result = TokenTable(idCount: count)
    for id in 0..<Int32(count) where keeps(id) {
      token(id)?.withUnsafeBufferPointer { _ = result.insert($0, id: id) }
    }
    return result
  }

  /// The id of the token that equals `text[from..<to]`.
  @inline(__always)
  func id(of text: UTF8Text, from start: Int, to end: Int) -> Int32? {
    let length = end - start
    guard length <= longest else { return nil }
    let hash = self.hash(text, from: start, to: end)
    var index = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[index]
      if slot == TokenTable.free { return nil }
      if slot >> 32 == hash >> 32 {
        let id = Int(truncatingIfNeeded: slot & 0xFFFF_FFFF)
        if Int(lengths[id]) == length, equals(text, start, at: Int(starts[id]), length) {
          return Int32(truncatingIfNeeded: id)
        }
      }
      index = (index + 1) & mask
    }
  }

  /// The id of the token with these bytes.
  func id(of token: some Sequence<UInt8>) -> Int32? {
    Array(token).withUnsafeBufferPointer { id(of: $0, from: 0, to: $0.count) }
  }

  @inline(__always)
  private func equals(_ text: UTF8Text, _ start: Int, at other: Int, _ length: Int) -> Bool {
    bytes.withUnsafeBufferPointer { bytes in
      var index = 0
      while index < length {
        if text[start + index] != bytes[other + index] { return false }
        index += 1
      }
      return true
    }
  }

  /// Eight bytes a step through a folded 128-bit product, in the manner of wyhash.
  @inline(__always)
  private func hash(_ text: UTF8Text, from start: Int, to end: Int) -> UInt64 {
    var hash = seed ^ UInt64(truncatingIfNeeded: end - start)
    guard let base = text.baseAddress else { return hash }
    let raw = UnsafeRawPointer(base)
    var position = start
    while position + 8 <= end {
      hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      position += 8
    }
    var tail: UInt64 = 0
    while position < end {
      tail = tail << 8 | UInt64(text[position])
      position += 1
    }
    return mix(hash ^ tail ^ 0x2D35_8DCC_AA6C_78A5)
  }

  @inline(__always)
  private func mix(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
  }
}
