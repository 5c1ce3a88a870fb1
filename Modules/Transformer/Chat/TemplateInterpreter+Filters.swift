extension TemplateInterpreter {
  static let filters: Set<String> = [
    "trim", "length", "count", "upper", "lower", "title", "capitalize", "tojson", "first", "last",
    "join", "default", "d", "list", "string", "int", "float", "replace", "safe", "items", "reverse",
    "map", "selectattr", "rejectattr", "unique", "sort", "abs", "indent",
  ]
  static let tests: Set<String> = [
    "defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number",
    "integer", "float", "boolean", "true", "false", "equalto", "eq", "ne", "in", "odd", "even",
    "divisibleby",
  ]
  static let testsWithArgument: Set<String> = ["equalto", "eq", "ne", "in", "divisibleby"]

  func filtered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "trim", "upper", "lower", "title", "capitalize", "replace", "string", "safe", "indent",
      "tojson":
      return try textFilter(base, name, arguments)
    case "int", "float", "abs": return try numberFilter(base, name)
    case "length", "count":
      guard let count = base.count else { throw failure("'length' needs a text, list or map") }
      return .integer(count)
    case "default", "d":
      let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
      let isMissing = base == .undefined || (replacesFalse && !base.isTrue)
      return isMissing ? arguments.value(0, "default_value") ?? .string("") : base
    case "items": return try method("items", of: base, arguments)
    case "first", "last", "list", "reverse", "join", "unique", "sort":
      return try listFilter(base, name, arguments)
    default: return try chosen(base, name, arguments)
    }
  }

  /// Filters that give a text.
  private func textFilter(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "string": return .string(base.text)
    case "safe": return base
    case "indent": return indented(base.text, arguments)
    case "tojson":
      var indent: Int?
      if case .integer(let spaces)? = arguments.value(0, "indent") {
        indent = min(max(spaces, 0), 16)
      }
      guard let json = base.json(indent: indent) else { throw failure("the value is no JSON") }
      return .string(json)
    default:
      let method = name == "trim" ? "strip" : name
      guard let result = TemplateText.method(method, of: base.text, arguments) else {
        throw failure("the arguments of the filter '\(name)' do not fit")
      }
      return result
    }
  }

  private func indented(_ text: String, _ arguments: Arguments) -> TemplateValue {
    var width = 4
    if case .integer(let spaces)? = arguments.value(0, "width") {
      width = min(max(spaces, 0), 64)
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let space = String(repeating: " ", count: width)
    return .string(
      lines.enumerated().map {
        $0.offset == 0 || $0.element.isEmpty ? $0.element : space + $0.element
      }
      .joined(separator: "\n")
    )
  }

  /// Filters that give a number.
  private func numberFilter(
    _ base: TemplateValue,
    _ name: String
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "int":
      if case .string(let text) = base { return .integer(Int(text) ?? 0) }
      return .integer(base.double.flatMap { Int(exactly: $0.rounded(.towardZero)) } ?? 0)
    case "float":
      if case .string(let text) = base { return .number(Double(text) ?? 0) }
      return .number(base.double ?? 0)
    default:
      guard let number = base.double else { throw failure("'abs' needs a number") }
      if case .integer(let number) = base, number != .min { return .integer(abs(number)) }
      return .number(abs(number))
    }
  }

  /// Filters that look at elements.
  private func listFilter(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "first": return try elements(base, name).first ?? .undefined
    case "last": return try elements(base, name).last ?? .undefined
    case "list": return .list(try elements(base, name))
    case "reverse": return .list(try elements(base, name).reversed())
    case "join":
      let separator = arguments.value(0, "d")?.text ?? ""
      guard try elements(base, name).count * separator.utf8.count <= TemplateText.maximumLength
      else {
        throw failure("a text is too long")
      }
      return .string(try elements(base, name).map(\.text).joined(separator: separator))
    case "unique":
      var seen: [TemplateValue] = []
      for value in try elements(base, name) where !seen.contains(value) { seen.append(value) }
      return .list(seen)
    default:
      return .list(try elements(base, name).sorted { $0.text < $1.text })
    }
  }

  /// `map`, `selectattr` and `rejectattr`.
  private func chosen(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    var result: [TemplateValue] = []
    for item in try elements(base, name) {
      if name == "map" {
        if let key = arguments.named["attribute"] {
          result.append(try element(key, of: item))
        } else if let filter = arguments.text(0), Self.filters.contains(filter) {
          let rest = Arguments(values: Array(arguments.values.dropFirst()), named: arguments.named)
          result.append(try filtered(item, filter, rest))
        } else {
          throw failure("'map' needs an attribute or a filter")
        }
        continue
      }
      guard let key = arguments.values.first else { throw failure("'\(name)' needs an attribute") }
      let value = try element(key, of: item)
      var isChosen = value.isTrue
      if let test = arguments.text(1) {
        guard Self.tests.contains(test) || test == "==" else {
          throw failure("the test '\(test)' is not supported")
        }
        let rest = Arguments(values: Array(arguments.values.dropFirst(2)))
        isChosen = try tested(value, test == "==" ? "eq" : test, rest)
      }
      if isChosen == (name == "selectattr") { result.append(item) }
    }
    return .list(result)
  }

  private func elements(
    _ base: TemplateValue,
    _ name: String
  ) throws(ChatTemplateError) -> [TemplateValue] {
    guard let elements = base.elements else { throw failure("'\(name)' needs a text, list or map") }
    return elements
  }

  func tested(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> Bool {
    switch (name, base) {
    case ("defined", _): return base != .undefined
    case ("undefined", _): return base == .undefined
    case ("none", .none), ("string", .string), ("mapping", .map), ("boolean", .bool),
      ("integer", .integer), ("float", .number), ("number", .integer), ("number", .number):
      return true
    case ("iterable", .string), ("iterable", .list), ("iterable", .map), ("iterable", .undefined),
      ("sequence", .string), ("sequence", .list), ("sequence", .map), ("sequence", .undefined):
      return true
    case ("true", .bool(let flag)): return flag
    case ("false", .bool(let flag)): return !flag
    case ("odd", .integer(let number)): return number % 2 != 0
    case ("even", .integer(let number)): return number % 2 == 0
    case ("divisibleby", .integer(let number)):
      guard case .integer(let divisor)? = arguments.values.first, divisor != 0, divisor != -1 else {
        throw failure("'divisibleby' needs a number")
      }
      return number % divisor == 0
    case ("eq", _), ("equalto", _): return base == arguments.values.first ?? .undefined
    case ("ne", _): return base != arguments.values.first ?? .undefined
    case ("in", _): return try contains(arguments.values.first ?? .undefined, base)
    default: return false
    }
  }
}
