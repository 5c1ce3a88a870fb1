extension TemplateInterpreter {
  mutating func listFiltered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (name, base) {
    case ("first", .generator(let generator)): return generator.next() ?? .undefined
    case ("last", .generator):
      throw failure("'last' needs a list: the filter 'list' makes one")
    case ("items", .map(let map)): return .generator(Self.items(of: map))
    case ("items", .undefined): return .generator([])
    case ("items", _): throw failure("'items' needs a map")
    case ("reverse", .string(let text)):
      try charge(text.utf8.count)
      return .string(String(scalars: text.unicodeScalars.reversed()))
    case ("dictsort", .map(let map)): return try sorted(map, arguments)
    case ("dictsort", _): throw failure("'dictsort' needs a map")
    case ("map", _), ("select", _), ("reject", _), ("selectattr", _), ("rejectattr", _):
      // Jinja asks whether there is anything before it asks what it is.
      guard base.isTrue else { return .generator([]) }
    default: break
    }
    return try listFiltered(try elements(of: base, for: name), name, arguments)
  }

  private mutating func listFiltered(
    _ elements: [TemplateValue],
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    switch name {
    case "first": return elements.first ?? .undefined
    case "last": return elements.last ?? .undefined
    case "list": return .list(elements)
    case "reverse": return .generator(elements.reversed())
    case "join": return .string(try joined(elements, arguments))
    case "unique": return .generator(try unique(elements, arguments))
    case "sort":
      let keys = try keys(
        elements,
        arguments.value(1, "case_sensitive"),
        arguments.value(2, "attribute")
      )
      let falls = arguments.value(0, "reverse")?.isTrue ?? false
      return .list(try order(of: keys, falls: falls).map { elements[$0] })
    case "min", "max":
      let keys = try keys(
        elements,
        arguments.value(0, "case_sensitive"),
        arguments.value(1, "attribute")
      )
      return try order(of: keys, falls: name == "max").first.map { elements[$0] } ?? .undefined
    case "sum": return try sum(elements, arguments)
    case "batch": return .generator(try batches(elements, arguments))
    case "map": return .generator(try mapped(elements, arguments))
    default: return .generator(try chosen(elements, name, arguments))
    }
  }

  /// The element that an attribute names: `a`, `a.b` or an integer.
  private mutating func attribute(
    _ path: TemplateValue,
    in item: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    guard let name = path.string else { return try element(path, of: item) }
    var value = item
    for part in TemplateText.split(name, by: ".", limit: .max, fromEnd: false) {
      let isNumber = TemplateText.test("isdigit", part) ?? false
      value = try element(isNumber ? .integer(Int(part) ?? .max) : .string(part), of: value)
    }
    return value
  }

  private mutating func joined(
    _ elements: [TemplateValue],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> String {
    let separator = try text(of: arguments.value(0, "d") ?? .string(""))
    var texts: [String] = []
    for element in elements {
      let value = try arguments.value(1, "attribute").map { path throws(ChatTemplateError) in
        try attribute(path, in: element)
      }
      texts.append(try text(of: value ?? element))
    }
    guard let result = TemplateText.joined(texts, by: separator) else {
      throw failure("a text is too long")
    }
    try charge(result.utf8.count)
    return result
  }

  /// `map`: an attribute of each element, or what a filter makes of it.
  private mutating func mapped(
    _ elements: [TemplateValue],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> [TemplateValue] {
    var result: [TemplateValue] = []
    if let path = arguments.named.first(where: { $0.0 == "attribute" })?.1 {
      let fallback = arguments.named.first { $0.0 == "default" }?.1
      for item in elements {
        let value = try attribute(path, in: item)
        result.append(value.isUndefined ? fallback ?? value : value)
      }
      return result
    }
    guard let filter = arguments.text(0), Self.filters[filter] != nil else {
      throw failure("'map' needs an attribute or a filter that is supported")
    }
    let rest = Arguments(values: Array(arguments.values.dropFirst()), named: arguments.named)
    for item in elements {
      try step()
      result.append(try filtered(item, filter, rest))
    }
    return result
  }

  /// `select`, `reject`, `selectattr` and `rejectattr`: the elements that pass a test, or do not.
  private mutating func chosen(
    _ elements: [TemplateValue],
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> [TemplateValue] {
    var values = arguments.values[...]
    let path = name.hasSuffix("attr") ? values.popFirst() : nil
    guard path != nil || !name.hasSuffix("attr") else {
      throw failure("'\(name)' needs an attribute")
    }
    let test = values.popFirst()
    if let test {
      guard let name = test.string, Self.isTest(name, count: values.count), arguments.named.isEmpty
      else {
        throw failure(
          "the test '\(test.text ?? "")' with \(values.count) arguments is not supported"
        )
      }
    }
    var result: [TemplateValue] = []
    for item in elements {
      try step()
      let value =
        try path.map { path throws(ChatTemplateError) in
          try attribute(path, in: item)
        } ?? item
      let passes =
        try test?.string.map { test throws(ChatTemplateError) in
          try tested(value, test, Array(values))
        } ?? value.isTrue
      if passes == name.hasPrefix("select") { result.append(item) }
    }
    return result
  }

  private mutating func sum(
    _ elements: [TemplateValue],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    var total = arguments.value(1, "start") ?? .integer(0)
    for element in elements {
      let value =
        try arguments.value(0, "attribute").map { path throws(ChatTemplateError) in
          try attribute(path, in: element)
        } ?? element
      // Python's function refuses to add texts.
      guard total.string == nil else { throw failure("'sum' needs numbers") }
      try step()
      total = try arithmetic("+", total, value)
    }
    return total
  }

  private mutating func batches(
    _ elements: [TemplateValue],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> [TemplateValue] {
    guard let size = arguments.value(0, "linecount")?.integer, (1...100_000).contains(size) else {
      throw failure("'batch' needs a size of at least 1")
    }
    var result: [TemplateValue] = []
    for start in stride(from: 0, to: elements.count, by: size) {
      var batch = Array(elements[start..<min(start + size, elements.count)])
      if let fill = arguments.value(1, "fill_with"), fill != .none, batch.count < size {
        batch += repeatElement(fill, count: size - batch.count)
      }
      result.append(.list(batch))
    }
    return result
  }
}

// MARK: - Order

extension TemplateInterpreter {
  /// What elements are compared by: an attribute, or several between commas; small letters unless
  /// case counts.
  private mutating func keys(
    _ elements: [TemplateValue],
    _ isCaseSensitive: TemplateValue?,
    _ path: TemplateValue?
  ) throws(ChatTemplateError) -> [TemplateValue] {
    let keepsCase = isCaseSensitive?.isTrue ?? false
    var paths: [TemplateValue] = []
    if let path, path != .none {
      paths =
        path.string.map {
          TemplateText.split($0, by: ",", limit: .max, fromEnd: false).map { .string($0) }
        } ?? [path]
    }
    var keys: [TemplateValue] = []
    for element in elements {
      try step()
      var parts = paths.isEmpty ? [element] : []
      for path in paths { parts.append(try attribute(path, in: element)) }
      if !keepsCase { parts = parts.map(Self.caseless) }
      keys.append(parts.count == 1 ? parts[0] : .list(parts))
    }
    return keys
  }

  private static func caseless(_ value: TemplateValue) -> TemplateValue {
    value.string.map { .string(TemplateText.lowercased($0)) } ?? value
  }

  /// The places of keys in rising or falling order, by merging runs; equal ones stay as they are.
  private mutating func order(
    of keys: [TemplateValue],
    falls: Bool
  ) throws(ChatTemplateError) -> [Int] {
    var order = Array(keys.indices)
    var width = 1
    while width < order.count {
      var merged: [Int] = []
      for start in stride(from: 0, to: order.count, by: 2 * width) {
        let middle = min(start + width, order.count)
        let end = min(start + 2 * width, order.count)
        var (left, right) = (start, middle)
        while left < middle || right < end {
          var takesRight = left == middle
          if left < middle, right < end {
            let (first, second) = (keys[order[left]], keys[order[right]])
            try step()
            takesRight = try falls ? precedes(first, second) : precedes(second, first)
          }
          merged.append(takesRight ? order[right] : order[left])
          if takesRight { right += 1 } else { left += 1 }
        }
      }
      order = merged
      width *= 2
    }
    return order
  }

  private mutating func unique(
    _ elements: [TemplateValue],
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> [TemplateValue] {
    let keys = try keys(
      elements,
      arguments.value(0, "case_sensitive"),
      arguments.value(1, "attribute")
    )
    var seen: [TemplateValue] = []
    var result: [TemplateValue] = []
    for (key, element) in zip(keys, elements) {
      try charge(key.weight)
      guard key.isKey else { throw failure("'unique' needs elements that could be keys") }
      if try contains(.list(seen), key) { continue }
      seen.append(key)
      result.append(element)
    }
    return result
  }

  private mutating func sorted(
    _ map: TemplateMap,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    let by = (arguments.value(1, "by") ?? .string("key")).string
    guard by == "key" || by == "value" else {
      throw failure("'dictsort' sorts by key or by value")
    }
    let parts = map.pairs.map { by == "key" ? $0.key : $0.value }
    let keys = try keys(parts, arguments.value(0, "case_sensitive"), nil)
    let falls = arguments.value(2, "reverse")?.isTrue ?? false
    let items = Self.items(of: map)
    return .list(try order(of: keys, falls: falls).map { items[$0] })
  }
}
