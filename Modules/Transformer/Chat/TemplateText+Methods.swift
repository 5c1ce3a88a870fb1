/// The methods of texts.
extension TemplateText {
  /// The names of the arguments, for methods that take them by name too; the number that each
  /// takes at most.
  private static let methods: [String: (names: [String], count: Int)] = [
    "strip": ([], 1), "lstrip": ([], 1), "rstrip": ([], 1), "upper": ([], 0), "lower": ([], 0),
    "capitalize": ([], 0), "title": ([], 0), "startswith": ([], 3), "endswith": ([], 3),
    "replace": ([], 3), "split": (["sep", "maxsplit"], 2), "rsplit": (["sep", "maxsplit"], 2),
    "splitlines": (["keepends"], 1), "count": ([], 3), "find": ([], 3), "rfind": ([], 3),
    "index": ([], 3), "rindex": ([], 3), "join": ([], 1), "removeprefix": ([], 1),
    "removesuffix": ([], 1), "zfill": ([], 1), "ljust": ([], 2), "rjust": ([], 2),
    "isalpha": ([], 0), "isdigit": ([], 0), "isdecimal": ([], 0), "isnumeric": ([], 0),
    "isalnum": ([], 0), "isspace": ([], 0), "isascii": ([], 0), "isupper": ([], 0),
    "islower": ([], 0),
  ]

  static func isMethod(_ name: String) -> Bool { methods[name] != nil || name == "format" }

  /// The result of a method; nil if there is none of that name for these arguments.
  static func method(
    _ name: String,
    of text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    guard let method = methods[name], arguments.values.count <= method.count,
      arguments.named.allSatisfy({ method.names.contains($0.0) })
    else { return nil }
    if let answer = test(name, text) { return .bool(answer) }
    switch name {
    case "upper": return .string(uppercased(text))
    case "lower": return .string(lowercased(text))
    case "capitalize": return .string(capitalized(text))
    case "title": return .string(titled(text))
    case "strip", "lstrip", "rstrip":
      guard let marks = optionalText(arguments.values.first) else { return nil }
      return .string(
        stripped(text, of: marks, start: name != "rstrip", end: name != "lstrip")
      )
    case "split", "rsplit": return split(text, arguments, fromEnd: name == "rsplit")
    case "splitlines":
      let keepsEnds = arguments.value(0, "keepends")?.isTrue ?? false
      return .list(lines(text, keepsEnds: keepsEnds).map { .string($0) })
    case "replace":
      guard let old = arguments.text(0), let new = arguments.text(1),
        let limit = limit(arguments.value(2, ""))
      else { return nil }
      return replaced(text, old, by: new, limit: limit).map { .string($0) }
    case "join":
      guard let parts = arguments.values.first?.elements else { return nil }
      let texts = parts.compactMap(\.string)
      return texts.count == parts.count ? joined(texts, by: text).map { .string($0) } : nil
    default: return searching(name, text, arguments)
    }
  }

  /// The methods that look for a part, or add and remove one.
  private static func searching(
    _ name: String,
    _ text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    switch name {
    case "startswith", "endswith":
      guard let text = excerpt(text, arguments, from: 1) else { return nil }
      return meets(arguments.values.first) {
        name == "startswith" ? hasPrefix(text, $0) : hasSuffix(text, $0)
      }
    case "removeprefix":
      return arguments.text(0).map {
        .string(
          hasPrefix(text, $0)
            ? String(decoding: text.utf8.dropFirst($0.utf8.count), as: UTF8.self) : text
        )
      }
    case "removesuffix":
      return arguments.text(0).map {
        .string(
          hasSuffix(text, $0)
            ? String(decoding: text.utf8.dropLast($0.utf8.count), as: UTF8.self) : text
        )
      }
    case "count":
      guard let part = arguments.text(0), arguments.values.count == 1 else { return nil }
      guard !part.isEmpty else { return .integer(text.unicodeScalars.count + 1) }
      return .integer(places(of: Array(part.utf8), in: Array(text.utf8)).count)
    case "find", "rfind", "index", "rindex":
      guard let part = arguments.text(0), arguments.values.count == 1 else { return nil }
      let place = place(of: part, in: text, last: name.hasPrefix("r"))
      return name.hasSuffix("find") || place != nil ? .integer(place ?? -1) : nil
    default: return padded(name, text, arguments)
    }
  }

  /// `zfill`, `ljust` and `rjust`.
  private static func padded(
    _ name: String,
    _ text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    guard let width = arguments.values.first?.integer, width <= maximumLength else { return nil }
    let fill = name == "zfill" ? "0" : arguments.value(1, "") == nil ? " " : arguments.text(1)
    guard let mark = fill?.unicodeScalars.first, fill?.unicodeScalars.count == 1 else {
      return nil
    }
    return .string(
      padded(text, to: width, with: mark, at: name == "ljust" ? "<" : name == "zfill" ? "=" : ">")
    )
  }

  private static func split(
    _ text: String,
    _ arguments: TemplateInterpreter.Arguments,
    fromEnd: Bool
  ) -> TemplateValue? {
    guard let limit = limit(arguments.value(1, "maxsplit")),
      let separator = optionalText(arguments.value(0, "sep"))
    else { return nil }
    guard let separator else {
      return .list(words(text, limit: limit, fromEnd: fromEnd).map { .string($0) })
    }
    guard !separator.isEmpty else { return nil }
    return .list(
      split(text, by: separator, limit: limit, fromEnd: fromEnd).map { .string($0) }
    )
  }

  /// A text, or nil inside for none; nil outside for anything else.
  private static func optionalText(_ value: TemplateValue?) -> String?? {
    switch value {
    case nil, .some(.none): .some(nil)
    case .string(let text): .some(text)
    default: nil
    }
  }

  /// How often at most: -1, or nothing, is without bound.
  static func limit(_ value: TemplateValue?) -> Int? {
    guard let value else { return .max }
    return value.integer.map { $0 < 0 ? .max : $0 }
  }

  /// Texts with another between them; nil if that is too long.
  static func joined(_ texts: [String], by separator: String) -> String? {
    let length = texts.reduce(0) { $0 + $1.utf8.count }
    guard length + texts.count * separator.utf8.count <= maximumLength else { return nil }
    return texts.joined(separator: separator)
  }

  /// Whether a text, or one of a tuple of texts, satisfies a condition.
  private static func meets(
    _ value: TemplateValue?,
    _ condition: (String) -> Bool
  ) -> TemplateValue? {
    if let text = value?.string { return .bool(condition(text)) }
    guard case .list(let list) = value, list.kind == .tuple else { return nil }
    let texts = list.items.compactMap(\.string)
    return texts.count == list.items.count ? .bool(texts.contains(where: condition)) : nil
  }

  /// The part between the places that two arguments name.
  private static func excerpt(
    _ text: String,
    _ arguments: TemplateInterpreter.Arguments,
    from first: Int
  ) -> String? {
    guard arguments.values.count > first else { return text }
    let scalars = Array(text.unicodeScalars)
    var bounds = [0, scalars.count]
    for (index, value) in arguments.values[first...].enumerated() {
      if case .none = value { continue }
      guard let place = value.integer else { return nil }
      bounds[index] = place < 0 ? max(place + scalars.count, 0) : place
    }
    // Nothing, not even the empty text, begins behind the end.
    guard bounds[0] <= scalars.count else { return nil }
    return String(scalars: scalars[bounds[0]..<max(bounds[0], min(bounds[1], scalars.count))])
  }

  /// A text with a mark before (`>`), behind (`<`) or around it (`^`), or behind its sign (`=`).
  static func padded(
    _ text: String,
    to width: Int,
    with mark: Unicode.Scalar,
    at place: Character
  ) -> String {
    let missing = width - text.unicodeScalars.count
    guard missing > 0 else { return text }
    func marks(_ count: Int) -> String { String(scalars: repeatElement(mark, count: count)) }
    switch place {
    case "<": return text + marks(missing)
    case "^": return marks(missing / 2) + text + marks(missing - missing / 2)
    case "=":
      let sign = text.unicodeScalars.prefix { $0 == "-" || $0 == "+" }.prefix(1)
      return String(sign) + marks(missing) + String(text.unicodeScalars.dropFirst(sign.count))
    default: return marks(missing) + text
    }
  }
}
