/// A statement of a chat template.
indirect enum TemplateNode: Sendable {
  case text(String)
  case print(TemplateExpression, line: Int)
  case branch(
    [(condition: TemplateExpression, body: [TemplateNode])],
    otherwise: [TemplateNode],
    line: Int
  )
  case loop(TemplateLoop)
  case set(name: String, attribute: String?, TemplateExpression, line: Int)
  case capture(name: String, [TemplateNode])
  case macro(name: String, TemplateMacro)
  case leave
  case skip
}

/// A `for`.
struct TemplateLoop: Sendable {
  var names: [String]
  var sequence: TemplateExpression
  var condition: TemplateExpression?
  var body: [TemplateNode]
  var otherwise: [TemplateNode]
  var line: Int
}

/// A `macro`.
struct TemplateMacro: Sendable {
  var parameters: [(name: String, fallback: TemplateExpression?)]
  var body: [TemplateNode]
}

/// An expression of a chat template.
indirect enum TemplateExpression: Sendable {
  case undefined
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case name(String)
  case list([TemplateExpression])
  case map([(TemplateExpression, TemplateExpression)])
  case attribute(TemplateExpression, String)
  case element(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, TemplateExpression?, TemplateExpression?, TemplateExpression?)
  case call(TemplateExpression, TemplateArguments)
  case filter(TemplateExpression, String, TemplateArguments)
  case test(TemplateExpression, String, TemplateArguments)
  case not(TemplateExpression)
  case negated(TemplateExpression)
  case binary(String, TemplateExpression, TemplateExpression)
  case choice(TemplateExpression, condition: TemplateExpression, otherwise: TemplateExpression)
}

/// The arguments of a call.
struct TemplateArguments: Sendable {
  var values: [TemplateExpression] = []
  var named: [(String, TemplateExpression)] = []
}

/// Reads the tokens of a chat template.
struct TemplateParser {
  private let tokens: [TemplateToken]
  private var index = 0
  private var depth = 0

  /// How deep blocks and brackets may lie inside each other.
  private static let maximumDepth = 64

  init(_ tokens: [TemplateToken]) { self.tokens = tokens }

  private var next: TemplateToken.Kind? { index < tokens.count ? tokens[index].kind : nil }
  private var line: Int { tokens.isEmpty ? 1 : tokens[min(index, tokens.count - 1)].line }

  private func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  mutating func template() throws(ChatTemplateError) -> [TemplateNode] {
    let (body, end) = try nodes(until: [])
    guard end == nil else { throw failure("'\(end ?? "")' has no beginning") }
    return body
  }

  private mutating func deeper<Result>(
    _ body: (inout Self) throws(ChatTemplateError) -> Result
  ) throws(ChatTemplateError) -> Result {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw failure("it nests too deeply") }
    return try body(&self)
  }

  /// The nodes up to a block of one of the names, whose name is taken and returned.
  private mutating func nodes(
    until ends: Set<String>
  ) throws(ChatTemplateError) -> ([TemplateNode], end: String?) {
    var nodes: [TemplateNode] = []
    while let token = next {
      let line = line
      index += 1
      switch token {
      case .text(let text): nodes.append(.text(text))
      case .printBegin:
        let value = try expression()
        try expect(.printEnd, "}}")
        nodes.append(.print(value, line: line))
      case .blockBegin:
        let name = try identifier()
        if ends.contains(name) { return (nodes, name) }
        if let node = try deeper({ (parser) throws(ChatTemplateError) in
          try parser.block(name, line)
        }) {
          nodes.append(contentsOf: node)
        }
      default: throw failure("a tag is out of place")
      }
    }
    guard ends.isEmpty else {
      throw failure("'\(ends.sorted().joined(separator: "' or '"))' is missing")
    }
    return (nodes, nil)
  }

  private mutating func block(
    _ name: String,
    _ line: Int
  ) throws(ChatTemplateError) -> [TemplateNode]? {
    switch name {
    case "if": return [try branch(line)]
    case "for": return [try loop(line)]
    case "set": return [try assignment(line)]
    case "macro": return [try macro()]
    case "break", "continue":
      try expect(.blockEnd, "%}")
      return [name == "break" ? .leave : .skip]
    case "generation":
      // Marks what the assistant said, for training; the text is the same.
      try expect(.blockEnd, "%}")
      let (body, _) = try nodes(until: ["endgeneration"])
      try expect(.blockEnd, "%}")
      return body
    default:
      throw ChatTemplateError(
        line: line,
        reason: "the statement '\(name)' is not supported; if, for, set, macro, break, continue "
          + "and generation are"
      )
    }
  }

  private mutating func branch(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    var parts: [(condition: TemplateExpression, body: [TemplateNode])] = []
    var otherwise: [TemplateNode] = []
    var condition = try expression()
    try expect(.blockEnd, "%}")
    while true {
      let (body, end) = try nodes(until: ["elif", "else", "endif"])
      parts.append((condition, body))
      if end == "elif" {
        condition = try expression()
        try expect(.blockEnd, "%}")
        continue
      }
      if end == "else" {
        try expect(.blockEnd, "%}")
        otherwise = try nodes(until: ["endif"]).0
      }
      try expect(.blockEnd, "%}")
      return .branch(parts, otherwise: otherwise, line: line)
    }
  }

  private mutating func loop(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    var names = [try identifier()]
    while take(",") { names.append(try identifier()) }
    guard takeName("in") else { throw failure("'in' is missing") }
    let sequence = try disjunction()
    let condition = takeName("if") ? try expression() : nil
    try expect(.blockEnd, "%}")
    let (body, end) = try nodes(until: ["else", "endfor"])
    var otherwise: [TemplateNode] = []
    if end == "else" {
      try expect(.blockEnd, "%}")
      otherwise = try nodes(until: ["endfor"]).0
    }
    try expect(.blockEnd, "%}")
    return .loop(
      TemplateLoop(
        names: names,
        sequence: sequence,
        condition: condition,
        body: body,
        otherwise: otherwise,
        line: line
      )
    )
  }

  private mutating func assignment(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    let name = try identifier()
    let attribute = take(".") ? try identifier() : nil
    if take("=") {
      let value = try expression()
      try expect(.blockEnd, "%}")
      return .set(name: name, attribute: attribute, value, line: line)
    }
    guard attribute == nil else { throw failure("'=' is missing") }
    try expect(.blockEnd, "%}")
    let (body, _) = try nodes(until: ["endset"])
    try expect(.blockEnd, "%}")
    return .capture(name: name, body)
  }

  private mutating func macro() throws(ChatTemplateError) -> TemplateNode {
    let name = try identifier()
    guard take("(") else { throw failure("'(' is missing") }
    var parameters: [(name: String, fallback: TemplateExpression?)] = []
    while !take(")") {
      if !parameters.isEmpty, !take(",") { throw failure("',' is missing") }
      let parameter = try identifier()
      parameters.append((parameter, take("=") ? try expression() : nil))
    }
    try expect(.blockEnd, "%}")
    let (body, _) = try nodes(until: ["endmacro"])
    try expect(.blockEnd, "%}")
    return .macro(name: name, TemplateMacro(parameters: parameters, body: body))
  }
}

// MARK: - Tokens

extension TemplateParser {
  private mutating func expect(
    _ kind: TemplateToken.Kind,
    _ text: String
  ) throws(ChatTemplateError) {
    guard next == kind else { throw failure("'\(text)' is missing") }
    index += 1
  }

  private mutating func identifier() throws(ChatTemplateError) -> String {
    guard case .name(let name) = next else { throw failure("a name is missing") }
    index += 1
    return name
  }

  private mutating func take(_ symbol: String) -> Bool {
    guard next == .symbol(symbol) else { return false }
    index += 1
    return true
  }

  private mutating func takeName(_ name: String) -> Bool {
    guard next == .name(name) else { return false }
    index += 1
    return true
  }
}

// MARK: - Expressions

extension TemplateParser {
  private mutating func expression() throws(ChatTemplateError) -> TemplateExpression {
    try deeper { (parser) throws(ChatTemplateError) in
      let value = try parser.disjunction()
      guard parser.takeName("if") else { return value }
      let condition = try parser.disjunction()
      let otherwise = parser.takeName("else") ? try parser.expression() : .undefined
      return .choice(value, condition: condition, otherwise: otherwise)
    }
  }

  private mutating func disjunction() throws(ChatTemplateError) -> TemplateExpression {
    var left = try conjunction()
    while takeName("or") { left = .binary("or", left, try conjunction()) }
    return left
  }

  private mutating func conjunction() throws(ChatTemplateError) -> TemplateExpression {
    var left = try negation()
    while takeName("and") { left = .binary("and", left, try negation()) }
    return left
  }

  private mutating func negation() throws(ChatTemplateError) -> TemplateExpression {
    guard takeName("not") else { return try comparison() }
    return .not(try deeper { (parser) throws(ChatTemplateError) in try parser.negation() })
  }

  private mutating func comparison() throws(ChatTemplateError) -> TemplateExpression {
    var left = try sum()
    while true {
      if case .symbol(let symbol) = next, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
        index += 1
        left = .binary(symbol, left, try sum())
      } else if takeName("in") {
        left = .binary("in", left, try sum())
      } else if next == .name("not"), index + 1 < tokens.count,
        tokens[index + 1].kind == .name("in")
      {
        index += 2
        left = .not(.binary("in", left, try sum()))
      } else {
        return left
      }
    }
  }

  private mutating func sum() throws(ChatTemplateError) -> TemplateExpression {
    var left = try concatenation()
    while case .symbol(let symbol) = next, symbol == "+" || symbol == "-" {
      index += 1
      left = .binary(symbol, left, try concatenation())
    }
    return left
  }

  private mutating func concatenation() throws(ChatTemplateError) -> TemplateExpression {
    var left = try product()
    while take("~") { left = .binary("~", left, try product()) }
    return left
  }

  private mutating func product() throws(ChatTemplateError) -> TemplateExpression {
    var left = try unary()
    while case .symbol(let symbol) = next, ["*", "/", "//", "%"].contains(symbol) {
      index += 1
      left = .binary(symbol, left, try unary())
    }
    return left
  }

  private mutating func unary() throws(ChatTemplateError) -> TemplateExpression {
    if take("-") {
      return .negated(try deeper { (parser) throws(ChatTemplateError) in try parser.unary() })
    }
    return try tested(try postfixed(try primary()))
  }

  /// Filters and tests behind a value.
  private mutating func tested(
    _ value: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateExpression {
    var value = value
    while true {
      if take("|") {
        let name = try identifier()
        guard TemplateInterpreter.filters.contains(name) else {
          throw failure(
            "the filter '\(name)' is not supported; supported are "
              + TemplateInterpreter.filters.sorted().joined(separator: ", ")
          )
        }
        value = .filter(value, name, take("(") ? try arguments() : TemplateArguments())
      } else if takeName("is") {
        let isNegated = takeName("not")
        let name = try identifier()
        guard TemplateInterpreter.tests.contains(name) else {
          throw failure(
            "the test '\(name)' is not supported; supported are "
              + TemplateInterpreter.tests.sorted().joined(separator: ", ")
          )
        }
        var arguments = TemplateArguments()
        if take("(") {
          arguments = try self.arguments()
        } else if TemplateInterpreter.testsWithArgument.contains(name) {
          arguments.values = [try postfixed(try primary())]
        }
        let test = TemplateExpression.test(value, name, arguments)
        value = isNegated ? .not(test) : test
      } else {
        return value
      }
    }
  }

  private mutating func postfixed(
    _ value: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateExpression {
    var value = value
    while true {
      if take(".") {
        if case .integer(let number) = next {
          index += 1
          value = .element(value, .integer(number))
        } else {
          value = .attribute(value, try identifier())
        }
      } else if take("[") {
        value = try subscripted(value)
      } else if take("(") {
        value = .call(value, try arguments())
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(
    _ value: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateExpression {
    var parts: [TemplateExpression?] = [nil]
    while next != .symbol("]") {
      if take(":") {
        parts.append(nil)
      } else {
        parts[parts.count - 1] = try expression()
        guard next == .symbol(":") || next == .symbol("]") else { throw failure("']' is missing") }
      }
    }
    index += 1
    if parts.count == 1 {
      guard let place = parts[0] else { throw failure("a subscript is empty") }
      return .element(value, place)
    }
    guard parts.count <= 3 else { throw failure("a slice has more than three parts") }
    return .slice(value, parts[0], parts[1], parts.count == 3 ? parts[2] : nil)
  }

  private mutating func arguments() throws(ChatTemplateError) -> TemplateArguments {
    var arguments = TemplateArguments()
    var isFirst = true
    while !take(")") {
      if !isFirst {
        guard take(",") else { throw failure("',' or ')' is missing") }
        if take(")") { break }
      }
      isFirst = false
      if case .name(let name) = next, index + 1 < tokens.count,
        tokens[index + 1].kind == .symbol("=")
      {
        index += 2
        arguments.named.append((name, try expression()))
      } else {
        arguments.values.append(try expression())
      }
    }
    return arguments
  }

  private mutating func primary() throws(ChatTemplateError) -> TemplateExpression {
    guard let token = next else { throw failure("a value is missing") }
    index += 1
    switch token {
    case .string(let text):
      // Texts beside each other are one.
      var text = text
      while case .string(let more) = next {
        text += more
        index += 1
      }
      return .string(text)
    case .integer(let number): return .integer(number)
    case .number(let number): return .number(number)
    case .name("true"), .name("True"): return .bool(true)
    case .name("false"), .name("False"): return .bool(false)
    case .name("none"), .name("None"): return .none
    case .name(let name): return .name(name)
    case .symbol("["): return .list(try values(until: "]"))
    case .symbol("{"): return .map(try pairs())
    case .symbol("("):
      let value = try expression()
      if take(")") { return value }
      guard take(",") else { throw failure("')' is missing") }
      return .list([value] + (try values(until: ")")))
    default:
      index -= 1
      throw failure("a value is missing")
    }
  }

  private mutating func values(
    until end: String
  ) throws(ChatTemplateError) -> [TemplateExpression] {
    var values: [TemplateExpression] = []
    while !take(end) {
      values.append(try expression())
      guard take(",") || next == .symbol(end) else { throw failure("'\(end)' is missing") }
    }
    return values
  }

  private mutating func pairs() throws(ChatTemplateError) -> [(
    TemplateExpression, TemplateExpression
  )] {
    var pairs: [(TemplateExpression, TemplateExpression)] = []
    while !take("}") {
      let key = try expression()
      guard take(":") else { throw failure("':' is missing") }
      pairs.append((key, try expression()))
      guard take(",") || next == .symbol("}") else { throw failure("'}' is missing") }
    }
    return pairs
  }
}
