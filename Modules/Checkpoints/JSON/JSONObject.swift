/// Keys and values in the order in which they were added; no key twice.
///
/// Keys are compared byte by byte, not by canonical equivalence: `é` as one and as two scalars are
/// two keys. Look-up is O(1) through a table that is keyed with the process's random hash seed, so
/// no file can make it slow.
public struct JSONObject: Sendable {
  private struct Entry: Sendable {
    var key: String
    var value: JSONValue
  }

  /// Objects of up to this many keys are searched in order and have no table.
  private static let smallCount = 8

  private var entries: [Entry] = []
  /// Open addressing, at most half full; 0 is a free slot, otherwise the upper half of the hash
  /// above the entry's index plus one.
  private var table: [UInt64] = []

  /// An object without keys.
  public init() {}

  /// An object of pairs; of equal keys the last value wins, at the place of the first.
  public init(_ pairs: some Sequence<(String, JSONValue)>) {
    for (key, value) in pairs { self[key] = value }
  }

  /// The keys in order.
  public var keys: [String] { entries.map(\.key) }
  /// The values in order.
  public var values: [JSONValue] { entries.map(\.value) }

  /// The value of `key`; setting nil removes it (O(count)), setting a new key appends it.
  public subscript(key: String) -> JSONValue? {
    get { find(key).map { entries[$0].value } }
    set {
      switch (find(key), newValue) {
      case (let index?, let value?): entries[index].value = value
      case (let index?, nil):
        entries.remove(at: index)
        rebuildTable()
      case (nil, let value?): _ = append(key, value)
      case (nil, nil): break
      }
    }
  }

  /// Adds a key at the end; false, and no change, when the key is there already.
  mutating func append(_ key: String, _ value: JSONValue) -> Bool {
    if table.isEmpty {
      guard find(key) == nil else { return false }
      entries.append(Entry(key: key, value: value))
      if entries.count > Self.smallCount { rebuildTable() }
      return true
    }
    let hash = JSONObject.hash(key)
    var slot = Int(truncatingIfNeeded: hash) & (table.count - 1)
    while table[slot] != 0 {
      if isEntry(table[slot], key: key, hash: hash) { return false }
      slot = (slot + 1) & (table.count - 1)
    }
    entries.append(Entry(key: key, value: value))
    table[slot] = JSONObject.mark(hash: hash, index: entries.count - 1)
    if entries.count * 2 > table.count { rebuildTable() }
    return true
  }

  private func find(_ key: String) -> Int? {
    if table.isEmpty { return entries.firstIndex { hasSameBytes($0.key, key) } }
    let hash = JSONObject.hash(key)
    var slot = Int(truncatingIfNeeded: hash) & (table.count - 1)
    while table[slot] != 0 {
      if isEntry(table[slot], key: key, hash: hash) { return JSONObject.index(table[slot]) }
      slot = (slot + 1) & (table.count - 1)
    }
    return nil
  }

  private func isEntry(_ mark: UInt64, key: String, hash: UInt64) -> Bool {
    mark >> 32 == hash >> 32 && hasSameBytes(entries[JSONObject.index(mark)].key, key)
  }

  private mutating func rebuildTable() {
    guard entries.count > Self.smallCount else {
      table = []
      return
    }
    var size = 32
    while size < entries.count * 4 { size *= 2 }
    table = [UInt64](repeating: 0, count: size)
    for (index, entry) in entries.enumerated() {
      let hash = JSONObject.hash(entry.key)
      var slot = Int(truncatingIfNeeded: hash) & (size - 1)
      while table[slot] != 0 { slot = (slot + 1) & (size - 1) }
      table[slot] = JSONObject.mark(hash: hash, index: index)
    }
  }

  private static func mark(hash: UInt64, index: Int) -> UInt64 {
    (hash >> 32) << 32 | UInt64(truncatingIfNeeded: index + 1) & 0xFFFF_FFFF
  }

  private static func index(_ mark: UInt64) -> Int { Int(mark & 0xFFFF_FFFF) - 1 }

  private static func hash(_ key: String) -> UInt64 {
    var key = key
    var hasher = Hasher()
    key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }
}

extension JSONObject: RandomAccessCollection {
  /// The position of the first pair.
  public var startIndex: Int { 0 }
  /// The position after the last pair; the number of keys.
  public var endIndex: Int { entries.count }
  /// The pair at `position`, in insertion order.
  public subscript(position: Int) -> (key: String, value: JSONValue) {
    (entries[position].key, entries[position].value)
  }
}

extension JSONObject: Equatable {
  /// Whether two objects hold the same pairs, in any order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.count == right.count && left.allSatisfy { right[$0.key] == $0.value }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object of pairs; of equal keys the last value wins, at the place of the first.
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}
