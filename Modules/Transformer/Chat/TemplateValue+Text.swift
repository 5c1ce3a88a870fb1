extension TemplateValue {
  /// What `{{ … }}` writes; nil for what Python would write with an address.
  var text: String? {
    switch self {
    case .undefined: return ""
    case .string(let text): return text
    default:
      var text = ""
      return write(to: &text) ? text : nil
    }
  }

  /// Adds the value as Python prints it inside a list; false for what has no lasting form.
  func write(to text: inout String) -> Bool {
    switch self {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .bool(let flag): text += flag ? "True" : "False"
    case .integer(let number): text += "\(number)"
    case .number(let number): text += TemplateText.text(of: number)
    case .string(let string): TemplateText.write(quoted: string, to: &text)
    case .list(let list): return list.write(to: &text)
    case .map(let map):
      text += "{"
      for (index, pair) in map.pairs.enumerated() {
        if index > 0 { text += ", " }
        guard pair.key.write(to: &text) else { return false }
        text += ": "
        guard pair.value.write(to: &text) else { return false }
      }
      text += "}"
    case .generator, .namespace, .loop, .function: return false
    }
    return true
  }
}

extension TemplateList {
  fileprivate func write(to text: inout String) -> Bool {
    let (open, close) =
      switch kind {
      case .list: ("[", "]")
      case .tuple: ("(", items.count == 1 ? ",)" : ")")
      case .keys: ("dict_keys([", "])")
      case .values: ("dict_values([", "])")
      case .items: ("dict_items([", "])")
      case .range: ("", "")
      }
    guard !open.isEmpty else { return false }
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += ", " }
      guard item.write(to: &text) else { return false }
    }
    text += close
    return true
  }
}

extension TemplateText {
  /// A number as Python prints it: the fewest digits that give the same bits back.
  static func text(of number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
    // Swift finds the same digits, but changes to exponents elsewhere.
    let parts = "\(number.magnitude)".split(separator: "e")
    let halves = parts[0].split(separator: ".")
    let whole = String(halves[0])
    let fraction = halves.count > 1 && halves[1] != "0" ? String(halves[1]) : ""
    var digits = Array((whole + fraction).drop { $0 == "0" })
    let leading = (whole + fraction).count - digits.count
    var point = whole.count - leading + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    while digits.last == "0" { digits.removeLast() }
    if digits.isEmpty { (digits, point) = (["0"], 1) }
    let sign = number.sign == .minus ? "-" : ""
    guard point > -4, point <= 16 else {
      let exponent = "\((point - 1).magnitude)"
      return sign + String(digits[0]) + (digits.count > 1 ? "." + String(digits[1...]) : "")
        + (point > 0 ? "e+" : "e-") + (exponent.count < 2 ? "0" : "") + exponent
    }
    let count = digits.count
    if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + String(digits) }
    if point >= count {
      return sign + String(digits) + String(repeating: "0", count: point - count) + ".0"
    }
    return sign + String(digits[..<point]) + "." + String(digits[point...])
  }

  /// Adds a text between quotes, with Python's escapes.
  static func write(quoted string: String, to text: inout String) {
    let scalars = string.unicodeScalars
    let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
    text.unicodeScalars.append(quote)
    for scalar in scalars {
      switch scalar {
      case quote, "\\":
        text += "\\"
        text.unicodeScalars.append(scalar)
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      default:
        if isPrintable(scalar) {
          text.unicodeScalars.append(scalar)
        } else {
          text += escape(scalar)
        }
      }
    }
    text.unicodeScalars.append(quote)
  }

  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x20..<0x7F).contains(scalar.value) }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator, .spaceSeparator:
      return false
    default: return true
    }
  }

  /// A scalar as `\x1b`, `\u2028` or `\U0001f600`.
  static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar.value {
    case ..<0x100: "\\x" + hexadecimal(scalar.value, digits: 2)
    case ..<0x10000: "\\u" + hexadecimal(scalar.value, digits: 4)
    default: "\\U" + hexadecimal(scalar.value, digits: 8)
    }
  }

  static func hexadecimal(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(digits - text.utf8.count, 0)) + text
  }
}
