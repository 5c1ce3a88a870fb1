import Foundation

/// Runs a chat template, within bounds on steps, depth and output.
struct TemplateInterpreter {
  private enum Flow {
    case onward
    case leave
    case skip
  }

  private var scopes: [[String: TemplateValue]]
  private var macros: [String: TemplateMacro] = [:]
  private var output = ""
  private var steps = 0
  private var depth = 0
  private var line = 1

  private static let maximumSteps = 1_000_000
  private static let maximumOutput = TemplateText.maximumLength
  private static let maximumDepth = 64

  init(_ variables: [String: TemplateValue]) { scopes = [variables] }

  mutating func run(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
    _ = try execute(body)
    return output
  }

  private func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  private mutating func step() throws(ChatTemplateError) {
    steps += 1
    guard steps <= Self.maximumSteps else { throw failure("it runs for too long") }
  }

  private mutating func write(_ text: String) throws(ChatTemplateError) {
    output += text
    guard output.utf8.count <= Self.maximumOutput else { throw failure("its output is too long") }
  }

  private mutating func execute(_ nodes: [TemplateNode]) throws(ChatTemplateError) -> Flow {
    for node in nodes {
      try step()
      switch node {
      case .text(let text): try write(text)
      case .print(let expression, let line):
        self.line = line
        try write(try value(expression).text)
      case .branch(let parts, let otherwise, let line):
        self.line = line
        var chosen = otherwise
        for part in parts where try value(part.condition).isTrue {
          chosen = part.body
          break
        }
        let flow = try execute(chosen)
        if flow != .onward { return flow }
      case .loop(let loop): try run(loop)
      case .set(let name, let attribute, let expression, let line):
        self.line = line
        let new = try value(expression)
        guard let attribute else {
          scopes[scopes.count - 1][name] = new
          continue
        }
        guard case .namespace(let space) = lookUp(name) else {
          throw failure("'\(name)' is no namespace, so '\(attribute)' cannot be set")
        }
        space.values[attribute] = new
      case .capture(let name, let body):
        scopes[scopes.count - 1][name] = .string(try captured(body))
      case .macro(let name, let macro): macros[name] = macro
      case .leave: return .leave
      case .skip: return .skip
      }
    }
    return .onward
  }

  private mutating func captured(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
    let before = output
    output = ""
    defer { output = before }
    _ = try execute(body)
    return output
  }

  private mutating func run(_ loop: TemplateLoop) throws(ChatTemplateError) {
    line = loop.line
    guard var items = try value(loop.sequence).elements else {
      throw failure("the value of 'for' has no elements")
    }
    scopes.append([:])
    defer { scopes.removeLast() }
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        try bind(item, to: loop.names)
        if try value(condition).isTrue { kept.append(item) }
      }
      items = kept
    }
    // Jinja's `else` also runs where every round was cut short by `continue` or `break`.
    var isComplete = false
    for (index, item) in items.enumerated() {
      try step()
      scopes[scopes.count - 1] = [:]
      try bind(item, to: loop.names)
      scopes[scopes.count - 1]["loop"] = .map([
        ("index", .integer(index + 1)), ("index0", .integer(index)),
        ("revindex", .integer(items.count - index)),
        ("revindex0", .integer(items.count - index - 1)),
        ("first", .bool(index == 0)), ("last", .bool(index == items.count - 1)),
        ("length", .integer(items.count)),
        ("previtem", index > 0 ? items[index - 1] : .undefined),
        ("nextitem", index + 1 < items.count ? items[index + 1] : .undefined),
      ])
      let flow = try execute(loop.body)
      if flow == .onward { isComplete = true }
      if flow == .leave { break }
    }
    if !isComplete { _ = try execute(loop.otherwise) }
  }

  private mutating func bind(
    _ item: TemplateValue,
    to names: [String]
  ) throws(ChatTemplateError) {
    guard names.count > 1 else {
      scopes[scopes.count - 1][names[0]] = item
      return
    }
    guard case .list(let parts) = item, parts.count == names.count else {
      throw failure("an element of 'for' does not consist of \(names.count) parts")
    }
    for (name, part) in zip(names, parts) { scopes[scopes.count - 1][name] = part }
  }

  private func lookUp(_ name: String) -> TemplateValue {
    for scope in scopes.reversed() {
      if let value = scope[name] { return value }
    }
    return .undefined
  }
}

// MARK: - Expressions

extension TemplateInterpreter {
  private mutating func value(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    try step()
    switch expression {
    case .undefined: return .undefined
    case .none: return .none
    case .bool(let flag): return .bool(flag)
    case .integer(let number): return .integer(number)
    case .number(let number): return .number(number)
    case .string(let text): return .string(text)
    case .name(let name): return lookUp(name)
    case .list(let parts): return .list(try values(parts))
    case .map(let pairs):
      var map: [(String, TemplateValue)] = []
      for (key, part) in pairs { map.append((try value(key).text, try value(part))) }
      return .map(map)
    case .attribute(let base, let name): return try attribute(name, of: try value(base))
    case .element(let base, let place): return try element(try value(place), of: try value(base))
    case .slice(let base, let first, let last, let stride):
      return try slice(try value(base), try place(first), try place(last), try place(stride))
    case .call(let callee, let arguments): return try call(callee, arguments)
    case .filter(let base, let name, let arguments):
      return try filtered(try value(base), name, try evaluated(arguments))
    case .test(let base, let name, let arguments):
      return .bool(try tested(try value(base), name, try evaluated(arguments)))
    case .not(let part): return .bool(try !value(part).isTrue)
    case .negated(let part):
      switch try value(part) {
      case .integer(let number) where number != .min: return .integer(-number)
      case .number(let number): return .number(-number)
      default: throw failure("only numbers can be negated")
      }
    case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
    case .choice(let yes, let condition, let no):
      return try value(condition).isTrue ? try value(yes) : try value(no)
    }
  }

  private mutating func values(
    _ expressions: [TemplateExpression]
  ) throws(ChatTemplateError) -> [TemplateValue] {
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try value(expression)) }
    return values
  }

  private mutating func evaluated(
    _ arguments: TemplateArguments
  ) throws(ChatTemplateError) -> Arguments {
    var result = Arguments(values: try values(arguments.values))
    for (name, expression) in arguments.named { result.named[name] = try value(expression) }
    return result
  }

  struct Arguments {
    var values: [TemplateValue]
    var named: [String: TemplateValue] = [:]

    /// The argument at a place, or of a name.
    func value(_ index: Int, _ name: String) -> TemplateValue? {
      index < values.count ? values[index] : named[name]
    }

    func text(_ index: Int) -> String? {
      if index < values.count, case .string(let text) = values[index] { text } else { nil }
    }
  }

  private mutating func place(
    _ expression: TemplateExpression?
  ) throws(ChatTemplateError) -> Int? {
    guard let expression else { return nil }
    switch try value(expression) {
    case .integer(let number): return number
    case .none: return nil
    default: throw failure("a slice needs integers")
    }
  }

  private func attribute(
    _ name: String,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .map(let pairs): return pairs.first { $0.0 == name }?.1 ?? .undefined
    case .namespace(let space): return space.values[name] ?? .undefined
    case .undefined: throw failure("'\(name)' is asked of a value that is not defined")
    default: return .undefined
    }
  }

  private func element(
    _ place: TemplateValue,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (base, place) {
    case (.map, .string(let key)), (.namespace, .string(let key)):
      return try attribute(key, of: base)
    case (.list, .integer(let index)), (.string, .integer(let index)):
      let elements = base.elements ?? []
      let place = index < 0 ? index + elements.count : index
      return elements.indices.contains(place) ? elements[place] : .undefined
    case (.undefined, _):
      throw failure("'\(place.text)' is asked of a value that is not defined")
    default: return .undefined
    }
  }

  private func slice(
    _ base: TemplateValue,
    _ first: Int?,
    _ last: Int?,
    _ stride: Int?
  ) throws(ChatTemplateError) -> TemplateValue {
    let isText: Bool
    switch base {
    case .string: isText = true
    case .list: isText = false
    default: throw failure("only texts and lists can be sliced")
    }
    let elements = base.elements ?? []
    let step = stride ?? 1
    guard step != 0 else { throw failure("a slice has a step of 0") }
    func clamped(_ place: Int, _ low: Int, _ high: Int) -> Int {
      let place = place < 0 ? max(place, -elements.count - 1) + elements.count : place
      return min(max(place, low), high)
    }
    var places: [Int] = []
    if step > 0 {
      let start = clamped(first ?? 0, 0, elements.count)
      let end = clamped(last ?? elements.count, 0, elements.count)
      if start < end { places = Array(Swift.stride(from: start, to: end, by: step)) }
    } else {
      let start = first.map { clamped($0, -1, elements.count - 1) } ?? elements.count - 1
      let end = last.map { clamped($0, -1, elements.count - 1) } ?? -1
      if start > end { places = Array(Swift.stride(from: start, to: end, by: step)) }
    }
    let chosen = places.map { elements[$0] }
    return isText ? .string(chosen.map(\.text).joined()) : .list(chosen)
  }

  private mutating func binary(
    _ symbol: String,
    _ left: TemplateExpression,
    _ right: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    let first = try value(left)
    switch symbol {
    case "or": return first.isTrue ? first : try value(right)
    case "and": return first.isTrue ? try value(right) : first
    default: break
    }
    let second = try value(right)
    switch symbol {
    case "==": return .bool(first == second)
    case "!=": return .bool(first != second)
    case "<", ">", "<=", ">=": return .bool(try compared(symbol, first, second))
    case "in": return .bool(try contains(second, first))
    case "~": return .string(try joined(first.text, second.text))
    default: return try arithmetic(symbol, first, second)
    }
  }

  /// Two texts as one, unless that is longer than any output.
  private func joined(_ left: String, _ right: String) throws(ChatTemplateError) -> String {
    guard left.utf8.count + right.utf8.count <= TemplateText.maximumLength else {
      throw failure("a text is too long")
    }
    return left + right
  }

  private func compared(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    func decide<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
      switch symbol {
      case "<": left < right
      case ">": left > right
      case "<=": left <= right
      default: left >= right
      }
    }
    if let left = left.double, let right = right.double { return decide(left, right) }
    guard case .string(let first) = left, case .string(let second) = right else {
      throw failure("'\(symbol)' needs two numbers or two texts")
    }
    return decide(first, second)
  }

  private func contains(
    _ whole: TemplateValue,
    _ part: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    switch whole {
    case .string(let text):
      guard case .string(let part) = part else { throw failure("'in' a text needs a text") }
      return part.isEmpty || text.contains(part)
    case .list(let values): return values.contains(part)
    case .map(let pairs): return pairs.contains { .string($0.0) == part }
    case .undefined: return false
    default: throw failure("'in' needs a text, a list or a map")
    }
  }

  private func arithmetic(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (symbol, left, right) {
    case ("+", .string(let left), .string(let right)): return .string(try joined(left, right))
    case ("+", .list(let left), .list(let right)):
      guard left.count + right.count <= Self.maximumSteps else {
        throw failure("a list is too long")
      }
      return .list(left + right)
    case (_, .integer(let left), .integer(let right)):
      return try arithmetic(symbol, left, right)
    default: break
    }
    guard let first = left.double, let second = right.double else {
      throw failure("'\(symbol)' does not fit '\(left.text)' and '\(right.text)'")
    }
    switch symbol {
    case "+": return .number(first + second)
    case "-": return .number(first - second)
    case "*": return .number(first * second)
    default:
      guard second != 0 else { throw failure("division by 0") }
      if symbol == "/" { return .number(first / second) }
      let quotient = (first / second).rounded(.down)
      return .number(symbol == "//" ? quotient : first - quotient * second)
    }
  }

  private func arithmetic(
    _ symbol: String,
    _ left: Int,
    _ right: Int
  ) throws(ChatTemplateError) -> TemplateValue {
    var (result, isTooLarge) = (0, false)
    switch symbol {
    case "+": (result, isTooLarge) = left.addingReportingOverflow(right)
    case "-": (result, isTooLarge) = left.subtractingReportingOverflow(right)
    case "*": (result, isTooLarge) = left.multipliedReportingOverflow(by: right)
    default:
      guard right != 0 else { throw failure("division by 0") }
      if symbol == "/" { return .number(Double(left) / Double(right)) }
      guard right != -1 || left != .min else { throw failure("a number is too large") }
      // Python rounds down.
      let (quotient, rest) = left.quotientAndRemainder(dividingBy: right)
      let goesBack = rest != 0 && (rest < 0) != (right < 0)
      result = symbol == "//" ? quotient - (goesBack ? 1 : 0) : rest + (goesBack ? right : 0)
    }
    guard !isTooLarge else { throw failure("a number is too large") }
    return .integer(result)
  }
}

// MARK: - Calls

extension TemplateInterpreter {
  private mutating func call(
    _ callee: TemplateExpression,
    _ arguments: TemplateArguments
  ) throws(ChatTemplateError) -> TemplateValue {
    if case .attribute(let base, let name) = callee {
      return try method(name, of: try value(base), try evaluated(arguments))
    }
    guard case .name(let name) = callee else { throw failure("only names can be called") }
    let values = try evaluated(arguments)
    if let macro = macros[name] { return try call(macro, values) }
    switch name {
    case "namespace": return .namespace(TemplateNamespace(values.named))
    case "dict": return .map(values.named.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    case "raise_exception":
      throw failure("the template refuses: \(values.values.first?.text ?? "no reason")")
    case "range":
      var bounds: [Int] = []
      for value in values.values {
        guard case .integer(let number) = value else { throw failure("range needs integers") }
        bounds.append(number)
      }
      let first = bounds.count > 1 ? bounds[0] : 0
      let last = bounds.count > 1 ? bounds[1] : bounds.first ?? 0
      let by = bounds.count > 2 ? bounds[2] : 1
      guard by != 0, last.subtractingReportingOverflow(first).partialValue.magnitude <= 100_000
      else {
        throw failure("the range is too long")
      }
      return .list(Swift.stride(from: first, to: last, by: by).map { .integer($0) })
    default:
      throw failure(
        "the function '\(name)' is not supported; namespace, dict, range and raise_exception are"
      )
    }
  }

  private mutating func call(
    _ macro: TemplateMacro,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw failure("macros call each other too deeply") }
    var scope: [String: TemplateValue] = [:]
    for (index, parameter) in macro.parameters.enumerated() {
      if let value = arguments.value(index, parameter.name) {
        scope[parameter.name] = value
      } else if let fallback = parameter.fallback {
        scope[parameter.name] = try value(fallback)
      } else {
        scope[parameter.name] = .undefined
      }
    }
    // A macro sees the names of the whole template and its own.
    let outer = scopes
    scopes = [outer[0], scope]
    defer { scopes = outer }
    return .string(try captured(macro.body))
  }

  private func method(
    _ name: String,
    of base: TemplateValue,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .string(let text):
      if let result = TemplateText.method(name, of: text, arguments) { return result }
    case .map(let pairs):
      switch name {
      case "items": return .list(pairs.map { .list([.string($0.0), $0.1]) })
      case "keys": return .list(pairs.map { .string($0.0) })
      case "values": return .list(pairs.map(\.1))
      case "get":
        guard case .string(let key)? = arguments.values.first else { break }
        return pairs.first { $0.0 == key }?.1 ?? arguments.value(1, "default") ?? .none
      default: break
      }
    case .undefined: throw failure("'\(name)' is asked of a value that is not defined")
    default: break
    }
    throw failure("the method '\(name)' is not supported here")
  }
}

// MARK: - Filters and tests

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

  private func filtered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "trim", "upper", "lower", "title", "capitalize", "replace":
      let method = name == "trim" ? "strip" : name
      guard let result = TemplateText.method(method, of: base.text, arguments) else {
        throw failure("the arguments of the filter '\(name)' do not fit")
      }
      return result
    case "length", "count":
      guard let count = base.count else { throw failure("'length' needs a text, list or map") }
      return .integer(count)
    case "tojson":
      var indent: Int?
      if case .integer(let spaces)? = arguments.value(0, "indent") {
        indent = min(max(spaces, 0), 16)
      }
      guard let json = base.json(indent: indent) else { throw failure("the value is no JSON") }
      return .string(json)
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
    case "default", "d":
      let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
      let isMissing = base == .undefined || (replacesFalse && !base.isTrue)
      return isMissing ? arguments.value(0, "default_value") ?? .string("") : base
    case "string", "safe": return name == "safe" ? base : .string(base.text)
    case "int":
      if case .string(let text) = base { return .integer(Int(text) ?? 0) }
      return .integer(base.double.flatMap { Int(exactly: $0.rounded(.towardZero)) } ?? 0)
    case "float":
      if case .string(let text) = base { return .number(Double(text) ?? 0) }
      return .number(base.double ?? 0)
    case "abs":
      guard let number = base.double else { throw failure("'abs' needs a number") }
      if case .integer(let number) = base, number != .min { return .integer(abs(number)) }
      return .number(abs(number))
    case "items": return try method("items", of: base, arguments)
    case "unique":
      var seen: [TemplateValue] = []
      for value in try elements(base, name) where !seen.contains(value) { seen.append(value) }
      return .list(seen)
    case "sort":
      return .list(try elements(base, name).sorted { $0.text < $1.text })
    case "indent":
      var width = 4
      if case .integer(let spaces)? = arguments.value(0, "width") {
        width = min(max(spaces, 0), 64)
      }
      let lines = base.text.split(separator: "\n", omittingEmptySubsequences: false)
      let space = String(repeating: " ", count: width)
      return .string(
        lines.enumerated().map {
          $0.offset == 0 || $0.element.isEmpty ? $0.element : space + $0.element
        }
        .joined(separator: "\n")
      )
    default: return try chosen(base, name, arguments)
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

  private func tested(
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

/// The methods of texts.
enum TemplateText {
  /// The bytes that a text may have.
  static let maximumLength = 16 << 20

  /// The result of a method; nil if there is none of that name for these arguments.
  static func method(
    _ name: String,
    of text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    let scalars = text.unicodeScalars
    switch name {
    case "strip", "lstrip", "rstrip":
      let set = arguments.text(0).map { Set($0.unicodeScalars) }
      let isStripped: (Unicode.Scalar) -> Bool = { scalar in
        set.map { $0.contains(scalar) } ?? scalar.properties.isWhitespace
      }
      var rest = scalars[...]
      if name != "rstrip" { rest = rest.drop(while: isStripped) }
      if name != "lstrip" {
        while let last = rest.last, isStripped(last) { rest.removeLast() }
      }
      return .string(String(rest))
    case "upper": return .string(text.uppercased())
    case "lower": return .string(text.lowercased())
    case "capitalize": return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
    case "title":
      var isStart = true
      return .string(
        text.map { character in
          defer { isStart = !character.isLetter }
          return isStart ? character.uppercased() : character.lowercased()
        }.joined()
      )
    case "startswith": return arguments.text(0).map { .bool(text.hasPrefix($0)) }
    case "endswith": return arguments.text(0).map { .bool(text.hasSuffix($0)) }
    case "replace":
      guard let old = arguments.text(0), let new = arguments.text(1), !old.isEmpty,
        text.utf8.count / old.utf8.count * new.utf8.count <= maximumLength
      else { return nil }
      return .string(text.replacing(old, with: new))
    case "split":
      guard let separator = arguments.text(0) else {
        guard arguments.values.isEmpty else { return nil }
        return .list(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) })
      }
      guard !separator.isEmpty else { return nil }
      var count = Int.max
      if case .integer(let limit)? = arguments.value(1, "maxsplit"), limit >= 0 { count = limit }
      return .list(
        text.split(separator: separator, maxSplits: count, omittingEmptySubsequences: false)
          .map { .string(String($0)) }
      )
    case "splitlines":
      return .list(text.split(whereSeparator: \.isNewline).map { .string(String($0)) })
    case "count":
      guard let part = arguments.text(0), !part.isEmpty else { return nil }
      return .integer(text.split(separator: part, omittingEmptySubsequences: false).count - 1)
    case "find":
      guard let part = arguments.text(0) else { return nil }
      return .integer(
        text.range(of: part).map { scalars.distance(from: scalars.startIndex, to: $0.lowerBound) }
          ?? -1
      )
    case "join":
      guard let parts = arguments.values.first?.elements,
        parts.count * text.utf8.count <= maximumLength
      else { return nil }
      return .string(parts.map(\.text).joined(separator: text))
    default: return nil
    }
  }
}
