import Foundation

extension TemplateInterpreter {
  mutating func numberFiltered(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    guard !base.isUndefined else { throw failure("'\(name)' needs a value that is defined") }
    switch name {
    case "int":
      let fallback = arguments.value(0, "default") ?? .integer(0)
      let radix = arguments.value(1, "base")?.integer ?? 10
      if let number = base.integer { return .integer(number) }
      if let text = base.string, let number = Self.integer(text, radix: radix) {
        return .integer(number)
      }
      guard let number = base.double ?? base.string.flatMap(Self.number), number.isFinite else {
        return fallback
      }
      guard let integer = Int(exactly: number.rounded(.towardZero)) else {
        throw failure("a number is too large")
      }
      return .integer(integer)
    case "float":
      let number = base.double ?? base.string.flatMap(Self.number)
      return number.map { .number($0) } ?? arguments.value(0, "default") ?? .number(0)
    case "abs":
      if let number = base.integer, number != .min { return .integer(abs(number)) }
      guard let number = base.double else { throw failure("'abs' needs a number") }
      return .number(abs(number))
    default: return try rounded(base, arguments)
    }
  }

  /// The integer that a text spells as Python reads it.
  private static func integer(_ text: String, radix: Int) -> Int? {
    guard (2...36).contains(radix) else { return nil }
    return digits(text).flatMap { Int($0, radix: radix) }
  }

  private static func number(_ text: String) -> Double? {
    guard let digits = digits(text), !digits.lowercased().contains("x") else { return nil }
    return Double(digits)
  }

  /// A text without white space around it and without underscores between digits.
  private static func digits(_ text: String) -> String? {
    let parts = TemplateText.split(
      TemplateText.stripped(text),
      by: "_",
      limit: .max,
      fromEnd: false
    )
    let isSound = parts.indices.allSatisfy { index in
      (index == 0 || parts[index].first?.isNumber == true)
        && (index == parts.count - 1 || parts[index].last?.isNumber == true)
    }
    return isSound ? parts.joined() : nil
  }

  private func rounded(
    _ base: TemplateValue,
    _ arguments: Arguments
  ) throws(ChatTemplateError) -> TemplateValue {
    let method = arguments.value(1, "method") ?? .string("common")
    guard let number = base.double, number.isFinite,
      let precision = (arguments.value(0, "precision") ?? .integer(0)).integer,
      (0...100).contains(precision), let method = method.string
    else { throw failure("'round' needs a number and a precision of at least 0") }
    switch method {
    case "common":
      if let integer = base.integer { return .integer(integer) }
      // The nearest decimal number, as seen from the exact value of the bits.
      return .number(Double(String(format: "%.\(precision)f", number)) ?? number)
    case "ceil", "floor":
      let scale = pow(10, Double(precision))
      let scaled = number * scale
      return .number((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
    default: throw failure("'round' knows the methods common, ceil and floor")
    }
  }
}
