import Foundation

/// Runs a chat template, within bounds on steps, depth and output.
struct TemplateInterpreter {
  private enum Flow {
    case onward
    case leave
    case skip
  }

  var scopes: [[String: TemplateValue]]
  var macros: [String: TemplateMacro] = [:]
  private var output = ""
  private var steps = 0
  var depth = 0
  private var line = 1

  static let maximumSteps = 1_000_000
  private static let maximumOutput = TemplateText.maximumLength
  static let maximumDepth = 64

  init(_ variables: [String: TemplateValue]) { scopes = [variables] }

  mutating func run(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
    _ = try execute(body)
    return output
  }

  func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  mutating func step() throws(ChatTemplateError) {
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
        let flow = try execute(try chosen(parts) ?? otherwise)
        if flow != .onward { return flow }
      case .loop(let loop): try run(loop)
      case .set(let name, let attribute, let expression, let line):
        self.line = line
        try assign(try value(expression), to: name, attribute)
      case .capture(let name, let body):
        scopes[scopes.count - 1][name] = .string(try captured(body))
      case .macro(let name, let macro): macros[name] = macro
      case .leave: return .leave
      case .skip: return .skip
      }
    }
    return .onward
  }

  /// The body of the first part whose condition is true.
  private mutating func chosen(
    _ parts: [(condition: TemplateExpression, body: [TemplateNode])]
  ) throws(ChatTemplateError) -> [TemplateNode]? {
    for part in parts where try value(part.condition).isTrue { return part.body }
    return nil
  }

  private mutating func assign(
    _ new: TemplateValue,
    to name: String,
    _ attribute: String?
  ) throws(ChatTemplateError) {
    guard let attribute else {
      scopes[scopes.count - 1][name] = new
      return
    }
    guard case .namespace(let space) = lookUp(name) else {
      throw failure("'\(name)' is no namespace, so '\(attribute)' cannot be set")
    }
    space.values[attribute] = new
  }

  mutating func captured(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
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
      scopes[scopes.count - 1]["loop"] = Self.place(index, in: items)
      let flow = try execute(loop.body)
      if flow == .onward { isComplete = true }
      if flow == .leave { break }
    }
    if !isComplete { _ = try execute(loop.otherwise) }
  }

  /// What `loop` is in a round.
  private static func place(_ index: Int, in items: [TemplateValue]) -> TemplateValue {
    .map([
      ("index", .integer(index + 1)), ("index0", .integer(index)),
      ("revindex", .integer(items.count - index)),
      ("revindex0", .integer(items.count - index - 1)),
      ("first", .bool(index == 0)), ("last", .bool(index == items.count - 1)),
      ("length", .integer(items.count)),
      ("previtem", index > 0 ? items[index - 1] : .undefined),
      ("nextitem", index + 1 < items.count ? items[index + 1] : .undefined),
    ])
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

  func lookUp(_ name: String) -> TemplateValue {
    for scope in scopes.reversed() {
      if let value = scope[name] { return value }
    }
    return .undefined
  }
}
