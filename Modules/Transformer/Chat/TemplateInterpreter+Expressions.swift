extension TemplateInterpreter {
  mutating func value(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    try step()
    switch expression {
    case .undefined: return .undefined
    case .none: return .none
    case .bool(let flag): return .bool(flag)
    case .integer(let number): return .integer(number)
    case .number(let number): return .number(number)
    case .string(let text): return .string(text)
    case .name(let name): return lookUp(name)
    case .list(let parts): return .list(try values(parts))
    case .map(let pairs):
      var map: [(String, TemplateValue)] = []
      for (key, part) in pairs { map.append((try value(key).text, try value(part))) }
      return .map(map)
    case .attribute(let base, let name): return try attribute(name, of: try value(base))
    case .element(let base, let place): return try element(try value(place), of: try value(base))
    case .slice(let base, let first, let last, let stride):
      return try slice(try value(base), try place(first), try place(last), try place(stride))
    case .call(let callee, let arguments): return try call(callee, arguments)
    case .filter(let base, let name, let arguments):
      return try filtered(try value(base), name, try evaluated(arguments))
    case .test(let base, let name, let arguments):
      return .bool(try tested(try value(base), name, try evaluated(arguments)))
    case .not(let part): return .bool(try !value(part).isTrue)
    case .negated(let part):
      switch try value(part) {
      case .integer(let number) where number != .min: return .integer(-number)
      case .number(let number): return .number(-number)
      default: throw failure("only numbers can be negated")
      }
    case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
    case .choice(let yes, let condition, let no):
      return try value(condition).isTrue ? try value(yes) : try value(no)
    }
  }

  private mutating func values(
    _ expressions: [TemplateExpression]
  ) throws(ChatTemplateError) -> [TemplateValue] {
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try value(expression)) }
    return values
  }

  mutating func evaluated(
    _ arguments: TemplateArguments
  ) throws(ChatTemplateError) -> Arguments {
    var result = Arguments(values: try values(arguments.values))
    for (name, expression) in arguments.named { result.named[name] = try value(expression) }
    return result
  }

  struct Arguments {
    var values: [TemplateValue]
    var named: [String: TemplateValue] = [:]

    /// The argument at a place, or of a name.
    func value(_ index: Int, _ name: String) -> TemplateValue? {
      index < values.count ? values[index] : named[name]
    }

    func text(_ index: Int) -> String? {
      if index < values.count, case .string(let text) = values[index] { text } else { nil }
    }
  }

  private mutating func place(
    _ expression: TemplateExpression?
  ) throws(ChatTemplateError) -> Int? {
    guard let expression else { return nil }
    switch try value(expression) {
    case .integer(let number): return number
    case .none: return nil
    default: throw failure("a slice needs integers")
    }
  }

  func attribute(
    _ name: String,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .map(let pairs): return pairs.first { $0.0 == name }?.1 ?? .undefined
    case .namespace(let space): return space.values[name] ?? .undefined
    case .undefined: throw failure("'\(name)' is asked of a value that is not defined")
    default: return .undefined
    }
  }

  func element(
    _ place: TemplateValue,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (base, place) {
    case (.map, .string(let key)), (.namespace, .string(let key)):
      return try attribute(key, of: base)
    case (.list, .integer(let index)), (.string, .integer(let index)):
      let elements = base.elements ?? []
      let place = index < 0 ? index + elements.count : index
      return elements.indices.contains(place) ? elements[place] : .undefined
    case (.undefined, _):
      throw failure("'\(place.text)' is asked of a value that is not defined")
    default: return .undefined
    }
  }

  func slice(
    _ base: TemplateValue,
    _ first: Int?,
    _ last: Int?,
    _ stride: Int?
  ) throws(ChatTemplateError) -> TemplateValue {
    let isText: Bool
    switch base {
    case .string: isText = true
    case .list: isText = false
    default: throw failure("only texts and lists can be sliced")
    }
    let elements = base.elements ?? []
    let step = stride ?? 1
    guard step != 0 else { throw failure("a slice has a step of 0") }
    func clamped(_ place: Int, _ low: Int, _ high: Int) -> Int {
      let place = place < 0 ? max(place, -elements.count - 1) + elements.count : place
      return min(max(place, low), high)
    }
    var places: [Int] = []
    if step > 0 {
      let start = clamped(first ?? 0, 0, elements.count)
      let end = clamped(last ?? elements.count, 0, elements.count)
      if start < end { places = Array(Swift.stride(from: start, to: end, by: step)) }
    } else {
      let start = first.map { clamped($0, -1, elements.count - 1) } ?? elements.count - 1
      let end = last.map { clamped($0, -1, elements.count - 1) } ?? -1
      if start > end { places = Array(Swift.stride(from: start, to: end, by: step)) }
    }
    let chosen = places.map { elements[$0] }
    return isText ? .string(chosen.map(\.text).joined()) : .list(chosen)
  }
}
