extension TemplateParser {
  mutating func expression() throws(ChatTemplateError) -> TemplateExpression {
    try deeper { (parser) throws(ChatTemplateError) in
      var value = try parser.disjunction()
      while parser.takeName("if") {
        try parser.link()
        let condition = try parser.disjunction()
        let otherwise = parser.takeName("else") ? try parser.expression() : .undefined
        value = .choice(value, condition: condition, otherwise: otherwise)
      }
      return value
    }
  }

  /// An expression, or several between commas, which are a tuple.
  mutating func tuple(isConditional: Bool = true) throws(ChatTemplateError) -> TemplateExpression {
    let first = isConditional ? try expression() : try disjunction()
    guard next == .symbol(",") else { return first }
    var values = [first]
    while take(",") {
      if [.printEnd, .blockEnd, .symbol(")")].contains(next) { break }
      values.append(isConditional ? try expression() : try disjunction())
    }
    return .tuple(values)
  }

  mutating func disjunction() throws(ChatTemplateError) -> TemplateExpression {
    var left = try conjunction()
    while takeName("or") {
      try link()
      left = .binary("or", left, try conjunction())
    }
    return left
  }

  private mutating func conjunction() throws(ChatTemplateError) -> TemplateExpression {
    var left = try negation()
    while takeName("and") {
      try link()
      left = .binary("and", left, try negation())
    }
    return left
  }

  private mutating func negation() throws(ChatTemplateError) -> TemplateExpression {
    guard takeName("not") else { return try comparison() }
    return .not(try deeper { (parser) throws(ChatTemplateError) in try parser.negation() })
  }

  private mutating func comparison() throws(ChatTemplateError) -> TemplateExpression {
    let first = try sum()
    var others: [(String, TemplateExpression)] = []
    while true {
      if case .symbol(let symbol) = next, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
        index += 1
        others.append((symbol, try sum()))
      } else if takeName("in") {
        others.append(("in", try sum()))
      } else if next == .name("not"), index + 1 < tokens.count,
        tokens[index + 1].kind == .name("in")
      {
        index += 2
        others.append(("not in", try sum()))
      } else {
        return others.isEmpty ? first : .comparison(first, others)
      }
    }
  }

  private mutating func sum() throws(ChatTemplateError) -> TemplateExpression {
    var left = try concatenation()
    while case .symbol(let symbol) = next, symbol == "+" || symbol == "-" {
      index += 1
      try link()
      left = .binary(symbol, left, try concatenation())
    }
    return left
  }

  private mutating func concatenation() throws(ChatTemplateError) -> TemplateExpression {
    var left = try product()
    while take("~") {
      try link()
      left = .binary("~", left, try product())
    }
    return left
  }

  private mutating func product() throws(ChatTemplateError) -> TemplateExpression {
    var left = try power()
    while case .symbol(let symbol) = next, ["*", "/", "//", "%"].contains(symbol) {
      index += 1
      try link()
      left = .binary(symbol, left, try power())
    }
    return left
  }

  /// Jinja's powers associate to the left, and its signs bind more strongly.
  private mutating func power() throws(ChatTemplateError) -> TemplateExpression {
    var left = try filters(of: try unary(), isFirstBare: false)
    while take("**") {
      try link()
      left = .binary("**", left, try filters(of: try unary(), isFirstBare: false))
    }
    return left
  }

  private mutating func unary() throws(ChatTemplateError) -> TemplateExpression {
    for (symbol, isNegative) in [("-", true), ("+", false)] where take(symbol) {
      let value = try deeper { (parser) throws(ChatTemplateError) in try parser.unary() }
      return try postfixed(.signed(value, isNegative: isNegative))
    }
    return try postfixed(try primary())
  }

  /// Filters and tests behind a value; in `{% filter … %}` the first has no `|` before it.
  mutating func filters(
    of value: TemplateExpression,
    isFirstBare: Bool = true
  ) throws(ChatTemplateError) -> TemplateExpression {
    var value = value
    var isBare = isFirstBare
    while true {
      if isBare || take("|") {
        isBare = false
        try link()
        let name = try identifier()
        guard TemplateInterpreter.filters[name] != nil else {
          throw failure(
            "the filter '\(name)' is not supported; supported are "
              + TemplateInterpreter.filters.keys.sorted().joined(separator: ", ")
          )
        }
        value = .filter(value, name, take("(") ? try arguments() : TemplateArguments())
      } else if takeName("is") {
        try link()
        value = try test(of: value)
      } else if take("(") {
        try link()
        value = .call(value, try arguments())
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
    guard let count = TemplateInterpreter.tests[name] else {
      throw failure(
        "the test '\(name)' is not supported; supported are "
          + TemplateInterpreter.tests.keys.sorted().joined(separator: ", ")
      )
    }
    var arguments = TemplateArguments()
    if take("(") {
      arguments = try self.arguments()
    } else if isArgumentNext {
      arguments.values = [try postfixed(try primary())]
    }
    guard arguments.values.count == count, arguments.named.isEmpty else {
      throw failure("the test '\(name)' takes \(count) arguments, not what follows it")
    }
    let test = TemplateExpression.test(value, name, arguments)
    return isNegated ? .not(test) : test
  }

  /// Whether Jinja takes what follows a test for its argument: any value, and even `if`.
  private var isArgumentNext: Bool {
    switch next {
    case .name(let name): !["else", "or", "and"].contains(name)
    case .string, .integer, .number, .symbol("("), .symbol("["), .symbol("{"): true
    default: false
    }
  }

  private mutating func postfixed(
    _ value: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateExpression {
    var value = value
    while true {
      if take(".") {
        try link()
        if case .integer(let number) = next {
          index += 1
          value = .element(value, .integer(number))
        } else {
          value = .attribute(value, try identifier())
        }
      } else if take("[") {
        try link()
        value = try subscripted(value)
      } else if take("(") {
        try link()
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
      if take("*") {
        guard arguments.list == nil else { throw failure("'*' stands before two arguments") }
        arguments.list = try expression()
      } else if take("**") {
        guard arguments.map == nil else { throw failure("'**' stands before two arguments") }
        arguments.map = try expression()
      } else if case .name(let name) = next, index + 1 < tokens.count,
        tokens[index + 1].kind == .symbol("=")
      {
        index += 2
        arguments.named.append((name, try expression()))
      } else {
        guard arguments.named.isEmpty, arguments.list == nil, arguments.map == nil else {
          throw failure("an argument without a name follows one with a name")
        }
        arguments.values.append(try expression())
      }
    }
    return arguments
  }
}

// MARK: - Literals

extension TemplateParser {
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
    case .name(let name):
      if ["varargs", "kwargs", "caller"].contains(name) { extras.insert(name) }
      return .name(name)
    case .symbol("["): return .list(try values(until: "]"))
    case .symbol("{"): return .map(try pairs())
    case .symbol("("):
      if take(")") { return .tuple([]) }
      let value = try tuple()
      guard take(")") else { throw failure("')' is missing") }
      return value
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
