extension TemplateInterpreter {
  /// The filters and the names of their arguments; nil where the number is open.
  static let filters: [String: [String]?] = [
    "trim": ["chars"], "upper": [], "lower": [], "title": [], "capitalize": [],
    "replace": ["old", "new", "count"], "indent": ["width", "first", "blank"], "length": [],
    "count": [], "tojson": ["ensure_ascii", "indent", "separators", "sort_keys"], "first": [],
    "last": [], "list": [], "reverse": [], "join": ["d", "attribute"],
    "default": ["default_value", "boolean"], "d": ["default_value", "boolean"], "string": [],
    "safe": [], "format": nil, "int": ["default", "base"], "float": ["default"], "abs": [],
    "round": ["precision", "method"], "items": [], "unique": ["case_sensitive", "attribute"],
    "sort": ["reverse", "case_sensitive", "attribute"],
    "dictsort": ["case_sensitive", "by", "reverse"], "min": ["case_sensitive", "attribute"],
    "max": ["case_sensitive", "attribute"], "sum": ["attribute", "start"],
    "batch": ["linecount", "fill_with"], "map": nil, "select": nil, "reject": nil,
    "selectattr": nil, "rejectattr": nil,
  ]

  mutating func filtered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    if case .some(.some(let names)) = Self.filters[name] {
      guard arguments.values.count <= names.count,
        arguments.named.allSatisfy({ names.contains($0.0) })
      else {
        throw failure("the filter '\(name)' takes the arguments: \(names.joined(separator: ", "))")
      }
    }
    try charge(arguments.values.reduce(0) { TemplateMap.sum($0, $1.weight) })
    switch name {
    case "trim", "upper", "lower", "title", "capitalize", "replace", "indent", "string", "safe":
      return try textFiltered(base, name, arguments)
    case "format":
      let values = TemplateValue.list(arguments.values, .tuple)
      guard let text = TemplateText.formatted(try text(of: base), values), arguments.named.isEmpty
      else { throw misfit(name) }
      return .string(text)
    case "length", "count":
      guard let count = base.count else { throw failure("'length' needs a text, list or map") }
      return .integer(count)
    case "tojson": return try json(base, arguments)
    case "default", "d":
      let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
      let isMissing = base.isUndefined || (replacesFalse && !base.isTrue)
      return isMissing ? arguments.value(0, "default_value") ?? .string("") : base
    case "int", "float", "abs", "round": return try numberFiltered(base, name, arguments)
    default: return try listFiltered(base, name, arguments)
    }
  }

  private func misfit(_ name: String) -> ChatTemplateError {
    failure("the arguments of the filter '\(name)' do not fit")
  }

  // MARK: - Texts

  private mutating func textFiltered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    if name == "indent" { return try indented(base, arguments) }
    let text = try text(of: base)
    try charge(text.utf8.count)
    switch name {
    case "upper": return .string(TemplateText.uppercased(text))
    case "lower": return .string(TemplateText.lowercased(text))
    case "title": return .string(TemplateText.titledByJinja(text))
    case "capitalize": return .string(TemplateText.capitalized(text))
    case "trim":
      let marks = arguments.value(0, "chars") ?? .none
      if case .none = marks { return .string(TemplateText.stripped(text)) }
      guard let marks = marks.string else { throw misfit(name) }
      return .string(TemplateText.stripped(text, of: marks))
    case "replace":
      guard let old = arguments.value(0, "old"), let new = arguments.value(1, "new") else {
        throw misfit(name)
      }
      var limit: Int? = .max
      switch arguments.value(2, "count") {
      case nil, .some(.none): break
      case .some(let count): limit = TemplateText.limit(count)
      }
      guard let limit,
        let result = TemplateText.replaced(
          text,
          try self.text(of: old),
          by: try self.text(of: new),
          limit: limit
        )
      else { throw misfit(name) }
      return .string(result)
    default: return .string(text)
    }
  }

  private mutating func indented(
    _ base: TemplateValue,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    let width = arguments.value(0, "width") ?? .integer(4)
    let count = width.integer ?? 0
    guard let text = base.string, width.string != nil || width.integer != nil, count <= 1 << 10
    else { throw misfit("indent") }
    try charge(text.utf8.count)
    let space = width.string ?? String(repeating: " ", count: max(count, 0))
    let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
    var lines = TemplateText.lines(text + "\n")
    for index in lines.indices.dropFirst() where indentsBlank || !lines[index].isEmpty {
      lines[index] = space + lines[index]
    }
    if arguments.value(1, "first")?.isTrue ?? false { lines[0] = space + lines[0] }
    guard lines.count * space.utf8.count <= TemplateText.maximumLength,
      let result = TemplateText.joined(lines, by: "\n")
    else { throw failure("a text is too long") }
    return .string(result)
  }

  private mutating func json(
    _ base: TemplateValue,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    var style = TemplateJSONStyle()
    style.isASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
    style.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
    switch arguments.value(1, "indent") {
    case nil, .some(.none): break
    case .some(let value):
      let count = value.integer ?? 0
      guard value.integer != nil || value.string != nil, count <= 64 else { throw misfit("tojson") }
      style.indent = value.string ?? String(repeating: " ", count: max(count, 0))
      style.itemSeparator = ","
    }
    switch arguments.value(2, "separators") {
    case nil, .some(.none): break
    case .some(let value):
      let texts = value.elements?.compactMap(\.string) ?? []
      guard texts.count == 2, value.count == 2 else { throw misfit("tojson") }
      (style.itemSeparator, style.keySeparator) = (texts[0], texts[1])
    }
    guard
      [style.indent ?? "", style.itemSeparator, style.keySeparator].allSatisfy({
        $0.utf8.count <= 64
      })
    else { throw misfit("tojson") }
    try charge(base.weight)
    guard let json = base.json(style), json.utf8.count <= TemplateText.maximumLength else {
      throw failure("the value is no JSON")
    }
    return .string(json)
  }
}
