/// Runs a chat template, within bounds on steps, depth and output.
struct TemplateInterpreter {
  private enum Flow {
    case onward
    case leave
    case skip
  }

  var scopes: [[String: TemplateValue]]
  /// What `strftime_now` writes.
  let date: TemplateDate
  /// How many calls of macros lie inside each other.
  var depth = 0
  /// All that were made, to be emptied at the end: they may hold each other.
  var namespaces: [TemplateNamespace] = []
  private var output = ""
  private var steps = 0
  var level = 0
  private var line = 1

  static let maximumSteps = 1_000_000
  private static let maximumOutput = TemplateText.maximumLength
  static let maximumDepth = 64
  /// How deep statements and expressions, those of macros included, may lie inside each other.
  private static let maximumLevel = 400

  init(_ variables: [String: TemplateValue], date: TemplateDate) {
    scopes = [variables]
    self.date = date
  }

  mutating func run(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
    defer { for space in namespaces { space.values = [] } }
    _ = try execute(body)
    return output
  }

  func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  mutating func step(_ count: Int = 1) throws(ChatTemplateError) {
    steps += min(count, Self.maximumSteps + 1)
    guard steps <= Self.maximumSteps else { throw failure("it runs for too long") }
  }

  /// Counts looking at `weight` bytes.
  mutating func charge(_ weight: Int) throws(ChatTemplateError) { try step(weight / 64) }

  /// The elements of a value that `asker` walks.
  mutating func elements(
    of value: TemplateValue,
    for asker: String
  ) throws(ChatTemplateError) -> [TemplateValue] {
    try step((value.string?.utf8.count ?? 0) / 16)
    guard let elements = value.elements else {
      throw failure("'\(asker)' needs a text, list or map")
    }
    try step(elements.count / 16)
    return elements
  }

  /// Enters a statement or expression inside another; `level` is lowered when it is left.
  mutating func enter() throws(ChatTemplateError) {
    level += 1
    guard level <= Self.maximumLevel else { throw failure("it nests too deeply") }
  }

  private mutating func write(_ text: String) throws(ChatTemplateError) {
    output += text
    guard output.utf8.count <= Self.maximumOutput else { throw failure("its output is too long") }
  }

  private mutating func execute(_ nodes: [TemplateNode]) throws(ChatTemplateError) -> Flow {
    try enter()
    defer { level -= 1 }
    for node in nodes {
      let flow = try execute(node)
      if flow != .onward { return flow }
    }
    return .onward
  }

  private mutating func execute(_ node: TemplateNode) throws(ChatTemplateError) -> Flow {
    try step()
    switch node {
    case .text(let text): try write(text)
    case .print(let expression, let line):
      self.line = line
      try write(try text(of: try value(expression)))
    case .branch(let parts, let otherwise, let line):
      self.line = line
      for part in parts where try value(part.condition).isTrue {
        return try execute(part.body)
      }
      return try execute(otherwise)
    case .loop(let loop): return try run(loop)
    case .set(let target, let expression, let line):
      self.line = line
      try bind(try value(expression), to: target)
    case .scope(let values, let body, let line):
      self.line = line
      var bound: [(TemplateTarget, TemplateValue)] = []
      for (target, expression) in values { bound.append((target, try value(expression))) }
      scopes.append([:])
      defer { scopes.removeLast() }
      for (target, value) in bound { try bind(value, to: target) }
      return try execute(body)
    case .macro(let macro):
      scopes[scopes.count - 1][macro.name] = .function(
        .macro(macro, scopeCount: scopes.count)
      )
    case .leave: return .leave
    case .skip: return .skip
    }
    return .onward
  }

  /// The text that a body writes, with names of its own.
  mutating func captured(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
    let before = output
    output = ""
    scopes.append([:])
    defer {
      output = before
      scopes.removeLast()
    }
    _ = try execute(body)
    return output
  }

  private mutating func run(_ loop: TemplateLoop) throws(ChatTemplateError) -> Flow {
    line = loop.line
    var items = try elements(of: try value(loop.sequence), for: "for")
    scopes.append([:])
    defer { scopes.removeLast() }
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        try bind(item, to: loop.target)
        if try value(condition).isTrue { kept.append(item) }
      }
      items = kept
    }
    let state = TemplateLoopState(items)
    // Jinja's `else` also runs where every round was cut short by `continue` or `break`.
    var isComplete = false
    for (index, item) in items.enumerated() {
      try step()
      state.index = index
      scopes[scopes.count - 1] = ["loop": .loop(state)]
      try bind(item, to: loop.target)
      let flow = try execute(loop.body)
      if flow == .onward { isComplete = true }
      if flow == .leave { break }
    }
    if isComplete { return .onward }
    scopes[scopes.count - 1] = [:]
    return try execute(loop.otherwise)
  }

  private mutating func bind(
    _ value: TemplateValue,
    to target: TemplateTarget
  ) throws(ChatTemplateError) {
    switch target {
    case .name(let name): scopes[scopes.count - 1][name] = value
    case .attribute(let name, let attribute):
      guard case .namespace(let space) = lookUp(name) else {
        throw failure("'\(name)' is no namespace, so '\(attribute)' cannot be set")
      }
      guard !attribute.hasPrefix("_") else {
        throw failure("a namespace takes no '\(attribute)'")
      }
      try step(space.values.count / 16)
      TemplateMap.set(.string(attribute), to: value, in: &space.values)
    case .parts(let targets):
      let parts = try elements(of: value, for: "set")
      guard parts.count == targets.count else {
        throw failure("a value does not consist of \(targets.count) parts")
      }
      for (target, part) in zip(targets, parts) { try bind(part, to: target) }
    }
  }

  func lookUp(_ name: String) -> TemplateValue {
    for scope in scopes.reversed() {
      if let value = scope[name] { return value }
    }
    return Self.functions.contains(name) ? .function(.builtIn(name)) : .undefined
  }
}
