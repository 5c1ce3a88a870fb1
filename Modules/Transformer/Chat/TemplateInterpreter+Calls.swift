extension TemplateInterpreter {
  /// The functions that a template has without defining them.
  static let functions: Set<String> = [
    "namespace", "dict", "range", "raise_exception", "strftime_now", "cycler", "joiner", "lipsum",
  ]
  /// What a map has besides its keys.
  static let mapMethods: Set<String> = ["get", "items", "keys", "values", "copy"]

  mutating func call(
    _ callee: TemplateExpression,
    _ arguments: TemplateArguments
  ) throws(ChatTemplateError) -> TemplateValue {
    if case .attribute(let base, let name) = callee {
      let base = try value(base)
      let values = try evaluated(arguments)
      if case .namespace = base { return try call(try attribute(name, of: base), name, values) }
      return try method(name, of: base, values)
    }
    let function = try value(callee)
    let name = if case .name(let name) = callee { name } else { "" }
    return try call(function, name, try evaluated(arguments))
  }

  private mutating func call(
    _ function: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch function {
    case .function(.macro(let macro, let count)):
      return try call(macro, Array(scopes.prefix(count)), arguments)
    case .function(.caller(let macro, let outer)): return try call(macro, outer, arguments)
    case .function(.builtIn(let name)): return try builtIn(name, arguments)
    default:
      throw failure(
        "the function '\(name)' is not supported; namespace, dict, range, strftime_now and "
          + "raise_exception are"
      )
    }
  }

  private mutating func builtIn(
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "namespace":
      let space = TemplateNamespace(try pairs(arguments))
      if let name = space.values.lazy.compactMap(\.key.string).first(where: { $0.hasPrefix("_") }) {
        throw failure("a namespace takes no '\(name)'")
      }
      namespaces.append(space)
      return .namespace(space)
    case "dict": return .map(try pairs(arguments))
    case "raise_exception":
      let reason = try arguments.value(0, "message").map { value throws(ChatTemplateError) in
        try text(of: value)
      }
      throw failure("the template refuses: \(reason ?? "no reason")")
    case "strftime_now":
      guard let format = arguments.value(0, "format")?.string else {
        throw failure("'strftime_now' needs a format")
      }
      do {
        return .string(try date.formatted(format))
      } catch {
        throw failure("'strftime_now' does not support '\(error.text)'")
      }
    case "range": return try range(arguments)
    default: throw failure("the function '\(name)' is not supported")
    }
  }

  private mutating func range(_ arguments: Arguments) throws(ChatTemplateError) -> TemplateValue {
    let bounds = arguments.values.compactMap(\.integer)
    guard bounds.count == arguments.values.count, (1...3).contains(bounds.count),
      arguments.named.isEmpty
    else { throw failure("range needs one to three integers") }
    let first = bounds.count > 1 ? bounds[0] : 0
    let last = bounds.count > 1 ? bounds[1] : bounds[0]
    let by = bounds.count > 2 ? bounds[2] : 1
    let (length, isTooLarge) = last.subtractingReportingOverflow(first)
    guard by != 0, !isTooLarge else { throw failure("the range is too long") }
    guard length != 0, (length < 0) == (by < 0) else { return .list([], .range) }
    guard (length.magnitude - 1) / by.magnitude < 100_000 else {
      throw failure("the range is too long")
    }
    try step(Int((length.magnitude - 1) / by.magnitude) / 16)
    return .list(Swift.stride(from: first, to: last, by: by).map { .integer($0) }, .range)
  }

  /// The pairs of a map or of a list of pairs, then the named arguments.
  private mutating func pairs(
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> [(key: TemplateValue, value: TemplateValue)] {
    var pairs: [(key: TemplateValue, value: TemplateValue)] = []
    guard arguments.values.count <= 1 else { throw failure("a map needs one list of pairs") }
    switch arguments.values.first {
    case nil: break
    case .map(let map): pairs = map.pairs
    case .some(let value):
      guard !value.isUndefined else { throw failure("a map needs a list of pairs") }
      for pair in try elements(of: value, for: "dict") {
        let parts = try elements(of: pair, for: "dict")
        guard parts.count == 2 else { throw failure("a map needs a list of pairs") }
        try step(1 + pairs.count / 16)
        try charge(min(parts[0].weight, 1 << 40) * (pairs.count + 1))
        guard parts[0].isKey else { throw failure("a list or map is no key") }
        TemplateMap.set(parts[0], to: parts[1], in: &pairs)
      }
    }
    for (name, value) in arguments.named {
      try step(1 + pairs.count / 16)
      TemplateMap.set(.string(name), to: value, in: &pairs)
    }
    return pairs
  }
}

// MARK: - Macros

extension TemplateInterpreter {
  private mutating func call(
    _ macro: TemplateMacro,
    _ outer: [[String: TemplateValue]],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    depth += 1
    let before = scopes
    defer {
      depth -= 1
      scopes = before
    }
    guard depth <= Self.maximumDepth else { throw failure("macros call each other too deeply") }
    // A macro sees the names of where it stands and its own.
    scopes = outer + [[:]]
    var named = arguments.named
    for (index, parameter) in macro.parameters.enumerated() {
      let place = named.firstIndex { $0.0 == parameter.name }
      var argument = index < arguments.values.count ? arguments.values[index] : nil
      if argument == nil, let place { argument = named.remove(at: place).1 }
      if argument == nil, let fallback = parameter.fallback { argument = try value(fallback) }
      scopes[scopes.count - 1][parameter.name] = argument ?? .undefined
    }
    try bindExtras(of: macro, Array(arguments.values.dropFirst(macro.parameters.count)), named)
    return .string(try captured(macro.body))
  }

  /// Binds what no parameter takes to `varargs`, `kwargs` and `caller`, where the macro has them.
  private mutating func bindExtras(
    of macro: TemplateMacro,
    _ values: [TemplateValue],
    _ named: [(String, TemplateValue)]
  ) throws(ChatTemplateError) {
    var (named, extras) = (named, [String: TemplateValue]())
    if macro.extras.contains("caller") {
      let place = named.firstIndex { $0.0 == "caller" }
      extras["caller"] = place.map { named.remove(at: $0).1 } ?? .undefined
    }
    if macro.extras.contains("varargs") {
      extras["varargs"] = .list(values, .tuple)
    } else if !values.isEmpty {
      throw failure("the macro '\(macro.name)' takes \(macro.parameters.count) arguments")
    }
    if macro.extras.contains("kwargs") {
      extras["kwargs"] = .map(named.map { (.string($0.0), $0.1) })
    } else if let (name, _) = named.first {
      throw failure("the macro '\(macro.name)' takes no argument '\(name)'")
    }
    scopes[scopes.count - 1].merge(extras) { first, _ in first }
  }
}

// MARK: - Methods

extension TemplateInterpreter {
  mutating func method(
    _ name: String,
    of base: TemplateValue,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .string(let text):
      try charge(
        arguments.values.reduce(text.utf8.count) { TemplateMap.sum($0, $1.weight) }
      )
      if name == "format", let result = TemplateText.formatted(text, arguments) {
        return .string(result)
      }
      if let result = TemplateText.method(name, of: text, arguments) { return result }
      guard !TemplateText.isMethod(name) else {
        throw failure("the arguments of the method '\(name)' do not fit, or its result is too long")
      }
    case .map(let map):
      if let result = try method(name, of: map, arguments) { return result }
    case .list(let list):
      guard let value = arguments.values.first, arguments.values.count == 1 else { break }
      try charge(list.weight)
      if name == "count" { return .integer(list.items.count { $0 == value }) }
      if name == "index", let place = list.items.firstIndex(of: value) { return .integer(place) }
    case .loop(let loop):
      try charge(arguments.values.reduce(0) { TemplateMap.sum($0, $1.weight) })
      if let result = method(name, of: loop, arguments) { return result }
    case .undefined: throw failure("'\(name)' is asked of a value that is not defined")
    default: break
    }
    throw failure("the method '\(name)' of \(base.kind) is not supported")
  }

  private mutating func method(
    _ name: String,
    of map: TemplateMap,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue? {
    try step(map.pairs.count / 16)
    if name == "get" {
      guard let key = arguments.values.first, arguments.values.count <= 2 else { return nil }
      return try value(of: key, in: map)
        ?? (arguments.values.count > 1 ? arguments.values[1] : .none)
    }
    guard arguments.values.isEmpty, arguments.named.isEmpty else { return nil }
    switch name {
    case "items": return .list(Self.items(of: map), .items)
    case "keys": return .list(map.pairs.map(\.key), .keys)
    case "values": return .list(map.pairs.map(\.value), .values)
    case "copy": return .map(map)
    default: return nil
    }
  }

  /// The pairs as tuples.
  static func items(of map: TemplateMap) -> [TemplateValue] {
    map.pairs.map { .list([$0.key, $0.value], .tuple) }
  }

  private func method(
    _ name: String,
    of loop: TemplateLoopState,
    _ arguments: Arguments
  ) -> TemplateValue? {
    let values = arguments.values
    switch name {
    case "cycle": return values.isEmpty ? nil : values[loop.index % values.count]
    case "changed":
      defer { loop.asked = values }
      return .bool(loop.asked != values)
    default: return nil
    }
  }
}
