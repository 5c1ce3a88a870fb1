/// Keys and values in the order in which they were added; no key twice.
///
/// Keys are compared byte by byte, not by canonical equivalence: `é` as one and as two scalars are
/// two keys. Look-up is O(1), whatever the keys.
public struct JSONObject: Sendable {
  private var table = NameTable<JSONValue>()

  /// An object without keys.
  public init() {}

  /// An object of pairs; of equal keys the last value wins, at the place of the first.
  public init(_ pairs: some Sequence<(String, JSONValue)>) {
    for (key, value) in pairs { self[key] = value }
  }

  /// The keys in order.
  public var keys: [String] { table.names }
  /// The values in order.
  public var values: [JSONValue] { table.entries.map(\.value) }

  /// The value of `key`; setting nil removes it (O(count)), setting a new key appends it.
  public subscript(key: String) -> JSONValue? {
    get { table[key] }
    set { table[key] = newValue }
  }

  /// Adds a key at the end; false, and no change, when the key is there already.
  mutating func append(_ key: String, _ value: JSONValue) -> Bool { table.append(key, value) }
}

extension JSONObject: RandomAccessCollection {
  /// The position of the first pair.
  public var startIndex: Int { 0 }
  /// The position after the last pair; the number of keys.
  public var endIndex: Int { table.count }
  /// The pair at `position`, in insertion order.
  public subscript(position: Int) -> (key: String, value: JSONValue) {
    let entry = table.entries[position]
    return (entry.name, entry.value)
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
