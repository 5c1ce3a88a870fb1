extension TemplateParser {
  mutating func expression() throws(ChatTemplateError) -> TemplateExpression {
    try deeper { (parser) throws(ChatTemplateError) in
      let value = try parser.disjunction()
      guard parser.takeName("if") else { return value }
      let condition = try parser.disjunction()
      let otherwise = parser.takeName("else") ? try parser.expression() : .undefined
      return .choice(value, condition: condition, otherwise: otherwise)
    }
  }

  mutating func disjunction() throws(ChatTemplateError) -> TemplateExpression {
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
        value = try test(of: value)
      } else {
        return value
      }
    }
  }

  /// What follows `is`.
  private mutating func test(
    of value: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateExpression {
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
    return isNegated ? .not(test) : test
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
