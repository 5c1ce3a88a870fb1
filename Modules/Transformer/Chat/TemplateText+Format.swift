import Foundation

/// What Python's `%` and `format` make of a value.
struct TemplateFormat {
  var fill: Unicode.Scalar = " "
  var alignment: Character?
  /// `+` or a space before what is not negative.
  var sign: Character?
  var width = 0
  var precision: Int?
  var groups = false
  var kind: Character = "s"
  /// Whether no kind was asked for, so that fractions may stay.
  var isPlain = false

  /// The value as text; nil if the kind does not fit.
  func text(of value: TemplateValue) -> String? {
    guard width <= 1 << 16, (precision ?? 0) <= 100 else { return nil }
    let isNumber = kind != "s" && kind != "r"
    guard var text = isNumber ? digits(of: value) : words(of: value) else { return nil }
    if groups { text = Self.grouped(text) }
    if isNumber, let sign, !text.hasPrefix("-") { text = String(sign) + text }
    return TemplateText.padded(
      text,
      to: width,
      with: fill,
      at: alignment ?? (isNumber ? ">" : "<")
    )
  }

  private func words(of value: TemplateValue) -> String? {
    guard let text = kind == "s" ? value.text : Self.representation(of: value) else { return nil }
    return precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
  }

  private func digits(of value: TemplateValue) -> String? {
    switch kind {
    case "d", "i":
      if let number = value.integer { return "\(number)" }
      guard let number = value.double else { return nil }
      if isPlain { return TemplateText.text(of: number) }
      return Int(exactly: number.rounded(.towardZero)).map { "\($0)" }
    case "x", "X", "o", "b":
      let radix = kind == "o" ? 8 : kind == "b" ? 2 : 16
      return value.integer.map { String($0, radix: radix, uppercase: kind == "X") }
    case "f":
      guard let number = value.double, number.isFinite else { return nil }
      return String(format: "%.\(precision ?? 6)f", number)
    default: return nil
    }
  }

  private static func representation(of value: TemplateValue) -> String? {
    var text = ""
    return value.write(to: &text) ? text : nil
  }

  /// Digits in groups of three.
  private static func grouped(_ text: String) -> String {
    let first = text.firstIndex(of: ".") ?? text.endIndex
    var whole = Array(text[..<first])
    var place = whole.count - 3
    while place > (whole.first == "-" ? 1 : 0) {
      whole.insert(",", at: place)
      place -= 3
    }
    return String(whole) + text[first...]
  }
}

extension TemplateText {
  /// `pattern % value`; nil if they do not fit.
  static func formatted(_ pattern: String, _ value: TemplateValue) -> String? {
    var values: [TemplateValue]
    if case .list(let list) = value, list.kind == .tuple {
      values = list.items
    } else {
      values = [value]
    }
    let count = values.count
    var used = 0
    var result = ""
    var rest = Array(pattern.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      if rest.first == "%" {
        rest.removeFirst()
        result += "%"
        continue
      }
      var format = percentFormat(&rest)
      guard let kind = rest.popFirst(), used < count else { return nil }
      format.kind = kind == "u" ? "d" : Character(kind)
      guard let text = format.text(of: values[used]),
        result.utf8.count + text.utf8.count <= maximumLength
      else { return nil }
      result += text
      used += 1
    }
    // A map may stay unused.
    if case .map = value { return result }
    return used == count ? result : nil
  }

  /// Flags, width and precision behind a `%`.
  private static func percentFormat(_ rest: inout ArraySlice<Unicode.Scalar>) -> TemplateFormat {
    var format = TemplateFormat()
    format.alignment = ">"
    while let flag = rest.first, "-+ 0".unicodeScalars.contains(flag) {
      rest.removeFirst()
      switch flag {
      case "-": (format.alignment, format.fill) = ("<", " ")
      case "0": if format.alignment == ">" { (format.alignment, format.fill) = ("=", "0") }
      default: format.sign = format.sign == "+" ? "+" : Character(flag)
      }
    }
    format.width = number(&rest) ?? 0
    if rest.first == "." {
      rest.removeFirst()
      format.precision = number(&rest) ?? 0
    }
    return format
  }

  private static func number(_ rest: inout ArraySlice<Unicode.Scalar>) -> Int? {
    let digits = rest.prefix { ("0"..."9").contains($0) }
    rest = rest[digits.endIndex...]
    return digits.isEmpty ? nil : Int(String(scalars: digits)) ?? .max
  }

  /// `pattern.format(…)`; nil if they do not fit, or for fields of fields.
  static func formatted(
    _ pattern: String,
    _ arguments: TemplateInterpreter.Arguments
  ) -> String? {
    var result = ""
    var next = 0
    var rest = Array(pattern.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      if scalar == "{" || scalar == "}", rest.first == scalar {
        rest.removeFirst()
      } else if scalar == "}" {
        return nil
      } else if scalar == "{" {
        guard let end = rest.firstIndex(of: "}"),
          let text = field(String(scalars: rest[..<end]), arguments, &next),
          result.utf8.count + text.utf8.count <= maximumLength
        else { return nil }
        result += text
        rest = rest[(end + 1)...]
        continue
      }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  /// What stands for `name!r:>8.2f`.
  private static func field(
    _ field: String,
    _ arguments: TemplateInterpreter.Arguments,
    _ next: inout Int
  ) -> String? {
    let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let names = parts[0].split(separator: "!", omittingEmptySubsequences: false)
    var value: TemplateValue?
    if names[0].isEmpty {
      value = arguments.value(next, "")
      next += 1
    } else if let place = Int(names[0]) {
      value = arguments.value(place, "")
    } else {
      value = arguments.named.first { $0.0 == names[0] }?.1
    }
    guard var value, names.count <= 2 else { return nil }
    if names.count == 2 {
      var format = TemplateFormat()
      format.kind = names[1] == "r" ? "r" : names[1] == "s" ? "s" : "?"
      guard let text = format.text(of: value) else { return nil }
      value = .string(text)
    }
    guard parts.count > 1, !parts[1].isEmpty else { return value.text }
    return format(String(parts[1]), for: value)?.text(of: value)
  }

  /// `[[fill]align][sign][0][width][,][.precision][type]`.
  private static func format(_ text: String, for value: TemplateValue) -> TemplateFormat? {
    var format = TemplateFormat()
    var rest = Array(text.unicodeScalars)[...]
    let alignments = "<>^=".unicodeScalars
    if rest.count > 1, alignments.contains(rest[1]) {
      format.fill = rest[0]
      format.alignment = Character(rest[1])
      rest = rest.dropFirst(2)
    } else if let first = rest.first, alignments.contains(first) {
      format.alignment = Character(rest.removeFirst())
    }
    if let sign = rest.first, "+- ".unicodeScalars.contains(sign) {
      rest.removeFirst()
      if sign != "-" { format.sign = Character(sign) }
    }
    if rest.first == "0", format.alignment == nil { (format.fill, format.alignment) = ("0", "=") }
    format.width = number(&rest) ?? 0
    if rest.first == "," {
      rest.removeFirst()
      format.groups = true
    }
    if rest.first == "." {
      rest.removeFirst()
      guard let precision = number(&rest) else { return nil }
      format.precision = precision
    }
    let isText = value.string != nil
    guard let kind = rest.popFirst() else {
      if isText { return format }
      (format.kind, format.isPlain) = ("d", true)
      return value.double == nil || format.precision != nil ? nil : format
    }
    format.kind = Character(kind)
    // Numbers are not cut as texts are, nor the other way round.
    guard rest.isEmpty, (format.kind == "s") == isText else { return nil }
    if format.kind == "d", value.integer == nil || format.precision != nil { return nil }
    return format
  }
}
