import Foundation

/// The methods of texts.
enum TemplateText {
  /// The bytes that a text may have.
  static let maximumLength = 16 << 20

  /// The result of a method; nil if there is none of that name for these arguments.
  static func method(
    _ name: String,
    of text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    switch name {
    case "strip", "lstrip", "rstrip": return .string(stripped(text, name, arguments.text(0)))
    case "upper": return .string(text.uppercased())
    case "lower": return .string(text.lowercased())
    case "capitalize": return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
    case "title": return .string(titled(text))
    case "startswith": return arguments.text(0).map { .bool(text.hasPrefix($0)) }
    case "endswith": return arguments.text(0).map { .bool(text.hasSuffix($0)) }
    case "replace":
      guard let old = arguments.text(0), let new = arguments.text(1), !old.isEmpty,
        text.utf8.count / old.utf8.count * new.utf8.count <= maximumLength
      else { return nil }
      return .string(text.replacing(old, with: new))
    case "split": return split(text, arguments)
    case "splitlines":
      return .list(text.split(whereSeparator: \.isNewline).map { .string(String($0)) })
    case "count":
      guard let part = arguments.text(0), !part.isEmpty else { return nil }
      return .integer(text.split(separator: part, omittingEmptySubsequences: false).count - 1)
    case "find":
      guard let part = arguments.text(0) else { return nil }
      return .integer(
        text.range(of: part).map { text.unicodeScalars[..<$0.lowerBound].count }
          ?? -1
      )
    case "join":
      guard let parts = arguments.values.first?.elements,
        parts.count * text.utf8.count <= maximumLength
      else { return nil }
      return .string(parts.map(\.text).joined(separator: text))
    default: return nil
    }
  }

  private static func stripped(_ text: String, _ name: String, _ characters: String?) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    let isStripped: (Unicode.Scalar) -> Bool = { scalar in
      set.map { $0.contains(scalar) } ?? scalar.properties.isWhitespace
    }
    var rest = text.unicodeScalars[...]
    if name != "rstrip" { rest = rest.drop(while: isStripped) }
    if name != "lstrip" {
      while let last = rest.last, isStripped(last) { rest.removeLast() }
    }
    return String(rest)
  }

  private static func titled(_ text: String) -> String {
    var isStart = true
    return text.map { character in
      defer { isStart = !character.isLetter }
      return isStart ? character.uppercased() : character.lowercased()
    }.joined()
  }

  private static func split(
    _ text: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> TemplateValue? {
    guard let separator = arguments.text(0) else {
      guard arguments.values.isEmpty else { return nil }
      return .list(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) })
    }
    guard !separator.isEmpty else { return nil }
    var count = Int.max
    if case .integer(let limit)? = arguments.value(1, "maxsplit"), limit >= 0 { count = limit }
    return .list(
      text.split(separator: separator, maxSplits: count, omittingEmptySubsequences: false)
        .map { .string(String($0)) }
    )
  }
}
