/// Values with names, in the order in which they were added; no name twice.
///
/// Names are compared byte by byte, as Python does, not by canonical equivalence. Look-up is O(1).
public struct NamedValues<Value: Sendable>: Sendable {
  /// The names in order.
  public private(set) var names: [String] = []
  /// The values in the order of the names.
  public private(set) var values: [Value] = []
  private var places: [[UInt8]: Int] = [:]

  /// No values.
  public init() {}

  /// The values of pairs; of equal names the last value wins, at the place of the first.
  public init(_ pairs: some Sequence<(String, Value)>) {
    for (name, value) in pairs { set(name, value) }
  }

  /// The value of `name`; setting a new name appends it, setting nil changes nothing.
  public subscript(name: String) -> Value? {
    get { places[Array(name.utf8)].map { values[$0] } }
    set {
      if let newValue { set(name, newValue) }
    }
  }

  private mutating func set(_ name: String, _ value: Value) {
    if let place = places[Array(name.utf8)] {
      values[place] = value
    } else {
      _ = append(name, value)
    }
  }

  /// Adds a value at the end; false, and no change, when the name is there already.
  mutating func append(_ name: String, _ value: Value) -> Bool {
    let key = Array(name.utf8)
    guard places[key] == nil else { return false }
    places[key] = values.count
    names.append(name)
    values.append(value)
    return true
  }
}

extension NamedValues: RandomAccessCollection {
  /// The position of the first pair.
  public var startIndex: Int { 0 }
  /// The position after the last pair; the number of values.
  public var endIndex: Int { values.count }
  /// The pair at a position, in the order of addition.
  public subscript(position: Int) -> (name: String, value: Value) {
    (names[position], values[position])
  }
}

extension NamedValues: Equatable where Value: Equatable {
  /// Whether two lists hold the same pairs in the same order.
  public static func == (left: Self, right: Self) -> Bool {
    left.count == right.count
      && zip(left, right).allSatisfy {
        $0.name.utf8.elementsEqual($1.name.utf8) && $0.value == $1.value
      }
  }
}

extension NamedValues: ExpressibleByDictionaryLiteral {
  /// The values of pairs; of equal names the last value wins, at the place of the first.
  public init(dictionaryLiteral elements: (String, Value)...) { self.init(elements) }
}
