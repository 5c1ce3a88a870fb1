import Checkpoints
import Foundation

/// A value of a chat template.
enum TemplateValue {
  case undefined
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list([TemplateValue])
  case map([(String, TemplateValue)])
  case namespace(TemplateNamespace)

  init(_ value: JSONValue) {
    if value.isNull {
      self = .none
    } else if let flag = value.boolValue {
      self = .bool(flag)
    } else if let number = value.intValue {
      self = .integer(number)
    } else if let number = value.doubleValue {
      self = .number(number)
    } else if let text = value.stringValue {
      self = .string(text)
    } else if let values = value.arrayValue {
      self = .list(values.map { TemplateValue($0) })
    } else {
      self = .map((value.objectValue ?? [:]).map { ($0.key, TemplateValue($0.value)) })
    }
  }

  /// Whether a condition takes the value for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let flag): flag
    case .integer(let number): number != 0
    case .number(let number): number != 0
    case .string(let text): !text.isEmpty
    case .list(let values): !values.isEmpty
    case .map(let pairs): !pairs.isEmpty
    case .namespace: true
    }
  }

  /// What `{{ … }}` writes.
  var text: String {
    switch self {
    case .undefined: ""
    case .string(let text): text
    default: representation
    }
  }

  /// The value as Python prints it inside a list.
  private var representation: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "None"
    case .bool(let flag): flag ? "True" : "False"
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .string(let text):
      text.contains("'") && !text.contains("\"")
        ? "\"\(text)\"" : "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    case .list(let values): "[" + values.map(\.representation).joined(separator: ", ") + "]"
    case .map(let pairs):
      "{" + pairs.map { "'\($0.0)': " + $0.1.representation }.joined(separator: ", ") + "}"
    case .namespace: "<Namespace>"
    }
  }

  /// The value as JSON in Python's spacing; nil for what JSON cannot hold.
  func json(indent: Int?, depth: Int = 0) -> String? {
    func joined(_ parts: [String], _ open: String, _ close: String) -> String {
      guard let indent, !parts.isEmpty else { return open + parts.joined(separator: ", ") + close }
      let inner = String(repeating: " ", count: indent * (depth + 1))
      let outer = String(repeating: " ", count: indent * depth)
      return open + "\n" + parts.map { inner + $0 }.joined(separator: ",\n") + "\n" + outer + close
    }
    switch self {
    case .undefined, .namespace: return nil
    case .none: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .integer(let number): return "\(number)"
    case .number(let number): return "\(number)"
    case .string(let text): return JSONValue.string(text).serialized()
    case .list(let values):
      let parts = values.compactMap { $0.json(indent: indent, depth: depth + 1) }
      return parts.count == values.count ? joined(parts, "[", "]") : nil
    case .map(let pairs):
      let parts = pairs.compactMap { key, value in
        value.json(indent: indent, depth: depth + 1).map {
          JSONValue.string(key).serialized() + ": " + $0
        }
      }
      return parts.count == pairs.count ? joined(parts, "{", "}") : nil
    }
  }

  /// The elements that a loop walks; nil for what has none.
  var elements: [TemplateValue]? {
    switch self {
    case .list(let values): values
    case .map(let pairs): pairs.map { .string($0.0) }
    case .string(let text): text.unicodeScalars.map { .string(String($0)) }
    case .undefined: []
    default: nil
    }
  }

  /// The number of elements or characters; nil for what has none.
  var count: Int? {
    switch self {
    case .list(let values): values.count
    case .map(let pairs): pairs.count
    case .string(let text): text.unicodeScalars.count
    case .undefined: 0
    default: nil
    }
  }

  var double: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    case .bool(let flag): flag ? 1 : 0
    default: nil
    }
  }
}

extension TemplateValue: Equatable {
  static func == (left: TemplateValue, right: TemplateValue) -> Bool {
    if let left = left.double, let right = right.double { return left == right }
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)): return left == right
    case (.list(let left), .list(let right)): return left == right
    case (.map(let left), .map(let right)):
      return left.count == right.count
        && left.allSatisfy { pair in right.contains { $0.0 == pair.0 && $0.1 == pair.1 } }
    case (.namespace(let left), .namespace(let right)): return left === right
    default: return false
    }
  }
}

/// What `namespace(…)` makes: names that blocks inside may set.
final class TemplateNamespace {
  var values: [String: TemplateValue]

  init(_ values: [String: TemplateValue]) { self.values = values }
}
