import Checkpoints

/// A value of a chat template.
enum TemplateValue {
  case undefined
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list(TemplateList)
  case map(TemplateMap)
  case generator(TemplateGenerator)
  case namespace(TemplateNamespace)
  case loop(TemplateLoopState)
  case function(TemplateFunction)

  init(_ value: JSONValue) {
    switch value {
    case .null: self = .none
    case .bool(let flag): self = .bool(flag)
    case .integer(let number): self = .integer(Int(number))
    case .number(let number): self = .number(number)
    case .string(let text): self = .string(text)
    case .array(let values): self = .list(values.map { TemplateValue($0) })
    case .object(let object):
      self = .map(object.map { (.string($0.key), TemplateValue($0.value)) })
    }
  }

  static func list(
    _ items: [TemplateValue],
    _ kind: TemplateList.Kind = .list
  ) -> TemplateValue {
    .list(TemplateList(items, kind))
  }

  static func map(_ pairs: [(key: TemplateValue, value: TemplateValue)]) -> TemplateValue {
    .map(TemplateMap(pairs))
  }

  static func generator(_ items: [TemplateValue]) -> TemplateValue {
    .generator(TemplateGenerator(items))
  }

  /// Whether a condition takes the value for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let flag): flag
    case .integer(let number): number != 0
    case .number(let number): number != 0
    case .string(let text): !text.isEmpty
    case .list(let list): !list.items.isEmpty
    case .map(let map): !map.pairs.isEmpty
    case .loop(let loop): !loop.items.isEmpty
    case .generator, .namespace, .function: true
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// The elements that a loop walks, for a generator those that are left; nil for what has none.
  var elements: [TemplateValue]? {
    switch self {
    case .list(let list): list.items
    case .map(let map): map.pairs.map(\.key)
    case .string(let text): text.unicodeScalars.map { .string(String($0)) }
    case .generator(let generator): generator.take()
    case .undefined: []
    default: nil
    }
  }

  /// The number of elements or characters; nil for what has none.
  var count: Int? {
    switch self {
    case .list(let list): list.items.count
    case .map(let map): map.pairs.count
    case .string(let text): text.unicodeScalars.count
    case .loop(let loop): loop.items.count
    case .undefined: 0
    default: nil
    }
  }

  var double: Double? {
    if case .number(let number) = self { number } else { integer.map { Double($0) } }
  }

  /// The integer; a truth value counts as 1 or 0.
  var integer: Int? {
    switch self {
    case .integer(let number): number
    case .bool(let flag): flag ? 1 : 0
    default: nil
    }
  }

  var string: String? { if case .string(let text) = self { text } else { nil } }

  /// What the value is, for messages.
  var kind: String {
    switch self {
    case .undefined: "an undefined value"
    case .none: "none"
    case .bool: "a truth value"
    case .integer, .number: "a number"
    case .string: "a text"
    case .list(let list): list.kind == .tuple ? "a tuple" : "a list"
    case .map: "a map"
    case .generator: "a generator"
    case .namespace: "a namespace"
    case .loop: "a loop"
    case .function: "a function"
    }
  }

  /// Whether the value may be a key of a map: nothing that can change.
  var isKey: Bool {
    switch self {
    case .map, .namespace: false
    case .list(let list):
      list.kind == .range || list.kind == .tuple && list.items.allSatisfy(\.isKey)
    default: true
    }
  }

  /// How deep lists and maps lie inside each other.
  var depth: Int {
    switch self {
    case .list(let list): list.depth
    case .map(let map): map.depth
    case .generator(let generator): generator.depth
    default: 0
    }
  }

  /// About how many bytes there are to look at.
  var weight: Int {
    switch self {
    case .string(let text): text.utf8.count
    case .list(let list): list.weight
    case .map(let map): map.weight
    default: 8
    }
  }
}

/// A list, or what else is a row of values.
struct TemplateList {
  enum Kind {
    case list
    case tuple
    /// What the methods of maps give.
    case keys
    case values
    case items
    case range
  }

  let items: [TemplateValue]
  let kind: Kind
  let depth: Int
  let weight: Int

  init(_ items: [TemplateValue], _ kind: Kind = .list) {
    self.items = items
    self.kind = kind
    depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
    weight = items.reduce(16) { TemplateMap.sum($0, $1.weight + 16) }
  }
}

/// Keys and values in the order in which they were written.
struct TemplateMap {
  let pairs: [(key: TemplateValue, value: TemplateValue)]
  let depth: Int
  let weight: Int

  init(_ pairs: [(key: TemplateValue, value: TemplateValue)]) {
    self.pairs = pairs
    depth = 1 + (pairs.lazy.map { max($0.key.depth, $0.value.depth) }.max() ?? 0)
    weight = pairs.reduce(16) { Self.sum($0, Self.sum($1.key.weight, $1.value.weight) + 32) }
  }

  /// A sum that stays below a bound: shared parts count as often as they are met.
  static func sum(_ left: Int, _ right: Int) -> Int { min(left + right, 1 << 60) }

  subscript(name: String) -> TemplateValue? { self[.string(name)] }

  subscript(key: TemplateValue) -> TemplateValue? { pairs.first { $0.key == key }?.value }

  /// The map with a value under a key, in its old place if there was one.
  static func set(
    _ key: TemplateValue,
    to value: TemplateValue,
    in pairs: inout [(key: TemplateValue, value: TemplateValue)]
  ) {
    if let place = pairs.firstIndex(where: { $0.key == key }) {
      pairs[place].value = value
    } else {
      pairs.append((key, value))
    }
  }
}

/// A row of values that can be walked once: what `map` and `select` give.
final class TemplateGenerator {
  private var items: [TemplateValue]
  let depth: Int

  init(_ items: [TemplateValue]) {
    self.items = items
    depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
  }

  /// The values that are left.
  func take() -> [TemplateValue] {
    defer { items = [] }
    return items
  }

  /// The next value.
  func next() -> TemplateValue? { items.isEmpty ? nil : items.removeFirst() }
}

/// What `namespace(…)` makes: names that blocks inside may set.
final class TemplateNamespace {
  var values: [(key: TemplateValue, value: TemplateValue)]

  init(_ values: [(key: TemplateValue, value: TemplateValue)]) { self.values = values }
}

/// What a loop knows of itself.
final class TemplateLoopState {
  let items: [TemplateValue]
  var index = 0
  /// What `changed` was asked about last.
  var asked: [TemplateValue]?

  init(_ items: [TemplateValue]) { self.items = items }

  subscript(name: String) -> TemplateValue? {
    switch name {
    case "index": .integer(index + 1)
    case "index0": .integer(index)
    case "revindex": .integer(items.count - index)
    case "revindex0": .integer(items.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == items.count - 1)
    case "length": .integer(items.count)
    // Only recursive loops count how deep they are.
    case "depth": .integer(1)
    case "depth0": .integer(0)
    case "previtem": index > 0 ? items[index - 1] : .undefined
    case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined
    case "cycle", "changed": .function(.method)
    default: nil
    }
  }
}

/// What can be called.
enum TemplateFunction {
  /// A function that every template has.
  case builtIn(String)
  /// A method that was named, but not called.
  case method
  /// A macro, and how many scopes it sees.
  case macro(TemplateMacro, scopeCount: Int)
  /// The body of a `call`, and the scopes that it sees.
  case caller(TemplateMacro, scopes: [[String: TemplateValue]])
}

extension TemplateValue: Equatable {
  static func == (left: TemplateValue, right: TemplateValue) -> Bool {
    if let left = left.integer, let right = right.integer { return left == right }
    if let left = left.double, let right = right.double { return left == right }
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)): return TemplateText.isSame(left, right)
    case (.list(let left), .list(let right)):
      return left.kind == right.kind && left.items == right.items
    case (.map(let left), .map(let right)):
      return left.pairs.count == right.pairs.count
        && left.pairs.allSatisfy { right[$0.key] == $0.value }
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.generator(let left), .generator(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    default: return false
    }
  }
}
