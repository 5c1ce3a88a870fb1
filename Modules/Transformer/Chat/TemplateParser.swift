/// Reads the tokens of a chat template.
struct TemplateParser {
  let tokens: [TemplateToken]
  var index = 0
  private var depth = 0

  /// How deep blocks and brackets may lie inside each other.
  private static let maximumDepth = 64

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
