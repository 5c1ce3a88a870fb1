extension TemplateInterpreter {
  mutating func call(
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

  mutating func call(
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

  func method(
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
