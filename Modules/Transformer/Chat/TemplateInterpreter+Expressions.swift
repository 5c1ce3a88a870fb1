extension TemplateInterpreter {
  mutating func value(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    try step()
    try enter()
    defer { level -= 1 }
    let value = try evaluated(expression)
    guard value.depth <= Self.maximumDepth else { throw failure("a value nests too deeply") }
    return value
  }

  private mutating func evaluated(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    switch expression {
    case .undefined, .none, .bool, .integer, .number, .string: return literal(expression)
    case .name(let name): return lookUp(name)
    case .list(let parts): return .list(try values(parts))
    case .tuple(let parts): return .list(try values(parts), .tuple)
    case .map(let pairs): return try map(pairs)
    case .attribute, .element, .slice: return try part(expression)
    case .call(let callee, let arguments): return try call(callee, arguments)
    case .filter, .test, .not, .signed: return try changed(expression)
    case .binary: return try binary(expression)
    case .comparison(let first, let others): return try comparison(first, others)
    case .choice(let yes, let condition, let no):
      return try value(condition).isTrue ? try value(yes) : try value(no)
    case .body(let body): return .string(try captured(body))
    case .macro(let macro): return .function(.caller(macro, scopes: scopes))
    }
  }

  // Small functions, since the frames of those that call themselves through `value` add up.

  private func literal(_ expression: TemplateExpression) -> TemplateValue {
    switch expression {
    case .none: .none
    case .bool(let flag): .bool(flag)
    case .integer(let number): .integer(number)
    case .number(let number): .number(number)
    case .string(let text): .string(text)
    default: .undefined
    }
  }

  /// What lies in a value.
  private mutating func part(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    switch expression {
    case .attribute(let base, let name): return try attribute(name, of: try value(base))
    case .element(let base, let place):
      let place = try value(place)
      return try element(place, of: try value(base))
    case .slice(let base, let first, let last, let stride):
      return try slice(try value(base), try place(first), try place(last), try place(stride))
    default: return .undefined
    }
  }

  /// What becomes of one value.
  private mutating func changed(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    switch expression {
    case .filter(let base, let name, let arguments):
      return try filtered(try value(base), name, try evaluated(arguments))
    case .test(let base, let name, let arguments):
      return .bool(try tested(try value(base), name, try values(arguments.values)))
    case .not(let part): return .bool(try !value(part).isTrue)
    case .signed(let part, let isNegative): return try signed(try value(part), isNegative)
    default: return .undefined
    }
  }

  private mutating func values(
    _ expressions: [TemplateExpression]
  ) throws(ChatTemplateError) -> [TemplateValue] {
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try value(expression)) }
    return values
  }

  private mutating func map(
    _ pairs: [(TemplateExpression, TemplateExpression)]
  ) throws(ChatTemplateError) -> TemplateValue {
    var map: [(key: TemplateValue, value: TemplateValue)] = []
    for (key, part) in pairs {
      let key = try value(key)
      try charge(min(key.weight, 1 << 40) * (map.count + 1))
      guard key.isKey else { throw failure("a list or map is no key") }
      try step(map.count / 16)
      TemplateMap.set(key, to: try value(part), in: &map)
    }
    return .map(map)
  }

  mutating func evaluated(
    _ arguments: TemplateArguments
  ) throws(ChatTemplateError) -> Arguments {
    var result = Arguments(values: try values(arguments.values))
    for (name, expression) in arguments.named { result.named.append((name, try value(expression))) }
    if let list = arguments.list {
      result.values += try elements(of: try value(list), for: "*")
    }
    if let map = arguments.map {
      guard case .map(let map) = try value(map) else { throw failure("'**' needs a map") }
      for (key, value) in map.pairs {
        guard let name = key.string else { throw failure("'**' needs a map of texts") }
        try step()
        result.named.append((name, value))
      }
    }
    guard Set(result.named.map { Array($0.0.utf8) }).count == result.named.count else {
      throw failure("an argument is given twice")
    }
    return result
  }

  struct Arguments {
    var values: [TemplateValue]
    var named: [(String, TemplateValue)] = []

    /// The argument at a place, or of a name.
    func value(_ index: Int, _ name: String) -> TemplateValue? {
      index < values.count ? values[index] : named.first { $0.0 == name }?.1
    }

    func text(_ index: Int) -> String? { index < values.count ? values[index].string : nil }
  }

  /// The text that a value becomes.
  mutating func text(of value: TemplateValue) throws(ChatTemplateError) -> String {
    if case .string(let text) = value { return text }
    try charge(value.weight)
    guard let text = value.text, text.utf8.count <= TemplateText.maximumLength else {
      throw failure("a value cannot be written as text")
    }
    return text
  }

  private mutating func place(
    _ expression: TemplateExpression?
  ) throws(ChatTemplateError) -> Int? {
    guard let expression else { return nil }
    let value = try value(expression)
    if case .none = value { return nil }
    guard let place = value.integer else { throw failure("a slice needs integers") }
    return place
  }

  func attribute(
    _ name: String,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .map(let map):
      return Self.mapMethods.contains(name) ? .function(.method) : map[name] ?? .undefined
    case .namespace(let space):
      return space.values.first { $0.key == .string(name) }?.value ?? .undefined
    case .loop(let loop): return loop[name] ?? .undefined
    case .string: return TemplateText.isMethod(name) ? .function(.method) : .undefined
    case .undefined: throw failure("'\(name)' is asked of a value that is not defined")
    default: return .undefined
    }
  }

  /// The value of a key; both may be large.
  mutating func value(
    of key: TemplateValue,
    in map: TemplateMap
  ) throws(ChatTemplateError) -> TemplateValue? {
    try step(map.pairs.count / 64)
    try charge(min(key.weight, map.weight))
    return map[key]
  }

  mutating func element(
    _ place: TemplateValue,
    of base: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .map(let map):
      if let value = try value(of: place, in: map) { return value }
      return try place.string.map { name throws(ChatTemplateError) in
        try attribute(name, of: base)
      } ?? .undefined
    case .list(let list) where [.list, .tuple, .range].contains(list.kind):
      guard let index = place.integer else { return .undefined }
      let place = index < 0 ? index + list.items.count : index
      return list.items.indices.contains(place) ? list.items[place] : .undefined
    case .string(let text):
      if let name = place.string { return try attribute(name, of: base) }
      guard let index = place.integer else { return .undefined }
      try charge(text.utf8.count)
      let scalars = text.unicodeScalars
      let count = index < 0 ? index + scalars.count : index
      return count < 0
        ? .undefined
        : scalars.dropFirst(count).first.map { .string(String($0)) }
          ?? .undefined
    case .undefined:
      throw failure("'\(place.text ?? "")' is asked of a value that is not defined")
    default:
      guard let name = place.string else { return .undefined }
      return try attribute(name, of: base)
    }
  }

  mutating func slice(
    _ base: TemplateValue,
    _ first: Int?,
    _ last: Int?,
    _ stride: Int?
  ) throws(ChatTemplateError) -> TemplateValue {
    switch base {
    case .string(let text):
      try charge(text.utf8.count)
      let scalars = Array(text.unicodeScalars)
      return .string(
        String(scalars: try places(scalars.count, first, last, stride).map { scalars[$0] })
      )
    case .list(let list) where [.list, .tuple, .range].contains(list.kind):
      try step(list.items.count / 16)
      let places = try places(list.items.count, first, last, stride)
      return .list(places.map { list.items[$0] }, list.kind)
    default: throw failure("only texts and lists can be sliced")
    }
  }

  /// The places of a slice of `count` elements.
  private func places(
    _ count: Int,
    _ first: Int?,
    _ last: Int?,
    _ stride: Int?
  ) throws(ChatTemplateError) -> [Int] {
    let step = max(stride ?? 1, -count - 1)
    guard step != 0 else { throw failure("a slice has a step of 0") }
    func clamped(_ place: Int, _ low: Int, _ high: Int) -> Int {
      let place = place < 0 ? max(place, -count - 1) + count : place
      return min(max(place, low), high)
    }
    guard step < 0 else {
      let start = clamped(first ?? 0, 0, count)
      let end = clamped(last ?? count, 0, count)
      return start < end ? Array(Swift.stride(from: start, to: end, by: step)) : []
    }
    let start = first.map { clamped($0, -1, count - 1) } ?? count - 1
    let end = last.map { clamped($0, -1, count - 1) } ?? -1
    return start > end ? Array(Swift.stride(from: start, to: end, by: step)) : []
  }
}
