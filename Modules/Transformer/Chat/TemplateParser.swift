/// Reads the tokens of a chat template.
struct TemplateParser {
  let tokens: [TemplateToken]
  var index = 0
  /// The names `varargs`, `kwargs` and `caller`, where the macro at hand asks for them.
  var extras: Set<String> = []
  private var depth = 0
  /// How many operators and filters the tag at hand strings together.
  private var links = 0
  /// How many loops `break` could leave.
  private var loopCount = 0

  /// How deep blocks and brackets may lie inside each other.
  private static let maximumDepth = 64
  private static let maximumLinks = 400

  init(_ tokens: [TemplateToken]) { self.tokens = tokens }

  var next: TemplateToken.Kind? { index < tokens.count ? tokens[index].kind : nil }
  private var line: Int { tokens.isEmpty ? 1 : tokens[min(index, tokens.count - 1)].line }

  func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  mutating func template() throws(ChatTemplateError) -> [TemplateNode] {
    let (body, end) = try nodes(until: [])
    guard end == nil else { throw failure("'\(end ?? "")' has no beginning") }
    return body
  }

  mutating func deeper<Result>(
    _ body: (inout Self) throws(ChatTemplateError) -> Result
  ) throws(ChatTemplateError) -> Result {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw failure("it nests too deeply") }
    return try body(&self)
  }

  /// Counts an operator or filter: each nests the expression more deeply.
  mutating func link() throws(ChatTemplateError) {
    links += 1
    guard links <= Self.maximumLinks else { throw failure("a tag strings too much together") }
  }

  /// The nodes up to a block of one of the names, whose name is taken and returned.
  private mutating func nodes(
    until ends: Set<String>
  ) throws(ChatTemplateError) -> ([TemplateNode], end: String?) {
    var nodes: [TemplateNode] = []
    while let token = next {
      let line = line
      index += 1
      links = 0
      switch token {
      case .text(let text): nodes.append(.text(text))
      case .printBegin:
        let value = try tuple()
        try expect(.printEnd, "}}")
        nodes.append(.print(value, line: line))
      case .blockBegin:
        let name = try identifier()
        if ends.contains(name) { return (nodes, name) }
        let node = try deeper { (parser) throws(ChatTemplateError) in
          try parser.block(name, line)
        }
        nodes.append(node)
      default: throw failure("a tag is out of place")
      }
    }
    guard ends.isEmpty else {
      throw failure("'\(ends.sorted().joined(separator: "' or '"))' is missing")
    }
    return (nodes, nil)
  }

  /// The end of a tag, and what follows up to the block `end`, whose tag is taken as well.
  private mutating func body(until end: String) throws(ChatTemplateError) -> [TemplateNode] {
    try expect(.blockEnd, "%}")
    let (body, _) = try nodes(until: [end])
    try expect(.blockEnd, "%}")
    return body
  }

  /// The same, where `break` reaches no loop outside.
  private mutating func enclosedBody(
    until end: String
  ) throws(ChatTemplateError) -> [TemplateNode] {
    let outer = loopCount
    loopCount = 0
    defer { loopCount = outer }
    return try body(until: end)
  }

  private mutating func block(
    _ name: String,
    _ line: Int
  ) throws(ChatTemplateError) -> TemplateNode {
    switch name {
    case "if": return try branch(line)
    case "for": return try loop(line)
    case "set": return try assignment(line)
    case "with": return try scope(line)
    case "macro": return .macro(try macro())
    case "call": return try call(line)
    case "filter":
      // The filters are read in front of the text that they change.
      let first = index
      _ = try filters(of: .undefined)
      let body = try enclosedBody(until: "endfilter")
      return .print(try reread(first, filtering: body), line: line)
    case "break", "continue":
      guard loopCount > 0 else { throw failure("'\(name)' is outside of a loop") }
      try expect(.blockEnd, "%}")
      return name == "break" ? .leave : .skip
    case "generation":
      // Marks what the assistant said, for training; the text is the same.
      return .print(.body(try enclosedBody(until: "endgeneration")), line: line)
    default:
      throw ChatTemplateError(
        line: line,
        reason: "the statement '\(name)' is not supported; if, for, set, with, macro, call, "
          + "filter, raw, break, continue and generation are"
      )
    }
  }

  /// Reads the filters from the token `first` on again, now of the text of `body`.
  private mutating func reread(
    _ first: Int,
    filtering body: [TemplateNode]
  ) throws(ChatTemplateError) -> TemplateExpression {
    let end = index
    defer { index = end }
    index = first
    return try filters(of: .body(body))
  }

  private mutating func branch(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    var parts: [(condition: TemplateExpression, body: [TemplateNode])] = []
    var otherwise: [TemplateNode] = []
    var condition = try disjunction()
    try expect(.blockEnd, "%}")
    while true {
      let (body, end) = try nodes(until: ["elif", "else", "endif"])
      parts.append((condition, body))
      if end == "elif" {
        condition = try disjunction()
        try expect(.blockEnd, "%}")
        continue
      }
      if end == "else" {
        otherwise = try self.body(until: "endif")
      } else {
        try expect(.blockEnd, "%}")
      }
      return .branch(parts, otherwise: otherwise, line: line)
    }
  }

  private mutating func loop(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    let target = try target()
    guard takeName("in") else { throw failure("'in' is missing") }
    let sequence = try tuple(isConditional: false)
    let condition = takeName("if") ? try expression() : nil
    guard next != .name("recursive") else {
      throw failure("the loop modifier 'recursive' is not supported")
    }
    try expect(.blockEnd, "%}")
    loopCount += 1
    defer { loopCount -= 1 }
    let (body, end) = try nodes(until: ["else", "endfor"])
    var otherwise: [TemplateNode] = []
    if end == "else" {
      otherwise = try self.body(until: "endfor")
    } else {
      try expect(.blockEnd, "%}")
    }
    return .loop(
      TemplateLoop(
        target: target,
        sequence: sequence,
        condition: condition,
        body: body,
        otherwise: otherwise,
        line: line
      )
    )
  }

  private mutating func assignment(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    let target = try target(allowsAttributes: true)
    if take("=") {
      let value = try tuple()
      try expect(.blockEnd, "%}")
      return .set(target, value, line: line)
    }
    let first = index
    guard next == .blockEnd || next == .symbol("|") else { throw failure("'=' is missing") }
    if next == .symbol("|") { _ = try filters(of: .undefined, isFirstBare: false) }
    let body = try enclosedBody(until: "endset")
    guard tokens[first].kind == .symbol("|") else { return .set(target, .body(body), line: line) }
    let end = index
    index = first
    let value = try filters(of: .body(body), isFirstBare: false)
    index = end
    return .set(target, value, line: line)
  }

  private mutating func scope(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    var values: [(TemplateTarget, TemplateExpression)] = []
    while next != .blockEnd {
      if !values.isEmpty, !take(",") { throw failure("',' is missing") }
      let target = TemplateTarget.name(try identifier())
      guard take("=") else { throw failure("'=' is missing") }
      values.append((target, try expression()))
    }
    return .scope(values, body: try body(until: "endwith"), line: line)
  }

  private mutating func macro() throws(ChatTemplateError) -> TemplateMacro {
    let name = try identifier()
    return try macro(named: name, parameters: try parameters(), until: "endmacro")
  }

  private mutating func macro(
    named name: String,
    parameters: [(name: String, fallback: TemplateExpression?)],
    until end: String
  ) throws(ChatTemplateError) -> TemplateMacro {
    let outer = extras
    extras = []
    defer { extras = outer }
    let body = try enclosedBody(until: end)
    return TemplateMacro(name: name, parameters: parameters, body: body, extras: extras)
  }

  private mutating func parameters() throws(ChatTemplateError) -> [(
    name: String, fallback: TemplateExpression?
  )] {
    guard take("(") else { throw failure("'(' is missing") }
    var parameters: [(name: String, fallback: TemplateExpression?)] = []
    while !take(")") {
      if !parameters.isEmpty, !take(",") { throw failure("',' is missing") }
      let parameter = try identifier()
      parameters.append((parameter, take("=") ? try expression() : nil))
    }
    return parameters
  }

  /// `{% call f(…) %}`: calls a macro, to which the body is `caller`.
  private mutating func call(_ line: Int) throws(ChatTemplateError) -> TemplateNode {
    let parameters = next == .symbol("(") ? try parameters() : []
    guard case .call(let callee, var arguments) = try expression() else {
      throw failure("'call' needs a call")
    }
    let caller = try macro(named: "caller", parameters: parameters, until: "endcall")
    arguments.named.append(("caller", .macro(caller)))
    return .print(.call(callee, arguments), line: line)
  }
}

// MARK: - Tokens

extension TemplateParser {
  /// A name, or several that take the parts of a value.
  private mutating func target(
    allowsAttributes: Bool = false
  ) throws(ChatTemplateError) -> TemplateTarget {
    try deeper { (parser) throws(ChatTemplateError) in
      var parts: [TemplateTarget] = []
      var isTuple = false
      repeat {
        if isTuple, [.symbol(")"), .name("in")].contains(parser.next) { break }
        if parser.take("(") {
          parts.append(try parser.target(allowsAttributes: allowsAttributes))
          guard parser.take(")") else { throw parser.failure("')' is missing") }
        } else {
          let name = try parser.identifier()
          let hasAttribute = allowsAttributes && parser.take(".")
          parts.append(hasAttribute ? .attribute(name, try parser.identifier()) : .name(name))
        }
        isTuple = isTuple || parser.next == .symbol(",")
      } while parser.take(",")
      return isTuple ? .parts(parts) : parts[0]
    }
  }

  private mutating func expect(
    _ kind: TemplateToken.Kind,
    _ text: String
  ) throws(ChatTemplateError) {
    guard next == kind else { throw failure("'\(text)' is missing") }
    index += 1
  }

  mutating func identifier() throws(ChatTemplateError) -> String {
    guard case .name(let name) = next else { throw failure("a name is missing") }
    index += 1
    return name
  }

  mutating func take(_ symbol: String) -> Bool {
    guard next == .symbol(symbol) else { return false }
    index += 1
    return true
  }

  mutating func takeName(_ name: String) -> Bool {
    guard next == .name(name) else { return false }
    index += 1
    return true
  }
}
