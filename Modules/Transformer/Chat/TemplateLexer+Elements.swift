extension TemplateLexer {
  private static let symbols =
    ["**", "//", "==", "!=", "<=", ">="] + "+-*/%~<>=()[]{}.,:|".map { String($0) }
  private static let closing: [String: Unicode.Scalar] = ["(": ")", "[": "]", "{": "}"]

  /// A name, a text, a number or an operator inside a tag.
  mutating func element() throws(ChatTemplateError) {
    let (first, scalar) = (line, source[index])
    let kind: TemplateToken.Kind
    if scalar == "'" || scalar == "\"" {
      kind = .string(try string())
    } else if Self.isDigit(scalar) {
      kind = try number()
    } else if scalar == "_" || scalar.properties.isXIDStart {
      kind = .name(taken { $0.properties.isXIDContinue })
    } else {
      kind = .symbol(try symbol())
    }
    tokens.append(TemplateToken(kind: kind, line: first))
  }

  private func failure(_ reason: String) -> ChatTemplateError {
    ChatTemplateError(line: line, reason: reason)
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  /// The scalars from here on that satisfy a condition.
  private mutating func taken(while isPart: (Unicode.Scalar) -> Bool) -> String {
    let first = index
    while index < source.count, isPart(source[index]) { take() }
    return String(scalars: source[first..<index])
  }

  private mutating func symbol() throws(ChatTemplateError) -> String {
    guard let symbol = Self.symbols.first(where: { starts($0) }) else {
      throw failure("the character '\(source[index])' has no meaning")
    }
    if let closing = Self.closing[symbol] {
      brackets.append(closing)
    } else if symbol == ")" || symbol == "]" || symbol == "}" {
      guard let wanted = brackets.popLast() else {
        throw failure("'\(symbol)' closes nothing")
      }
      guard wanted == source[index] else {
        throw failure("'\(symbol)' stands where '\(wanted)' is missing")
      }
    }
    skip(symbol.utf8.count)
    return symbol
  }

  // MARK: - Texts

  private mutating func string() throws(ChatTemplateError) -> String {
    let (first, quote) = (line, take())
    var value = String.UnicodeScalarView()
    while index < source.count, source[index] != quote {
      if source[index] == "\\", index + 1 < source.count {
        take()
        try escape(into: &value)
      } else {
        value.append(take())
      }
    }
    guard index < source.count else {
      throw ChatTemplateError(line: first, reason: "a text has no closing quote")
    }
    take()
    return String(value)
  }

  /// What follows a backslash, as Python's codec `unicode-escape` reads it.
  private mutating func escape(
    into value: inout String.UnicodeScalarView
  ) throws(ChatTemplateError) {
    let scalar = take()
    switch scalar {
    case "\n": break
    case "\\", "'", "\"": value.append(scalar)
    case "a": value.append("\u{7}")
    case "b": value.append("\u{8}")
    case "f": value.append("\u{C}")
    case "n": value.append("\n")
    case "r": value.append("\r")
    case "t": value.append("\t")
    case "v": value.append("\u{B}")
    case "x": value.append(try namedScalar(digits: 2))
    case "u": value.append(try namedScalar(digits: 4))
    case "U": value.append(try namedScalar(digits: 8))
    case "N": throw failure("the escape '\\N' is not supported")
    case "0"..."7":
      index -= 1
      let first = index
      let digits = taken { ("0"..."7").contains($0) }.prefix(3)
      index = first + digits.count
      if let code = UInt32(digits, radix: 8), let scalar = Unicode.Scalar(code) {
        value.append(scalar)
      }
    default:
      value.append("\\")
      // Jinja spells what is not ASCII as escapes first, which this backslash then spoils.
      let spelled =
        scalar.isASCII ? String(scalar) : String(TemplateText.escape(scalar).dropFirst())
      value.append(contentsOf: spelled.unicodeScalars)
    }
  }

  private mutating func namedScalar(digits count: Int) throws(ChatTemplateError) -> Unicode.Scalar {
    let digits = source[index..<min(index + count, source.count)]
    guard digits.count == count, digits.allSatisfy(\.properties.isASCIIHexDigit),
      let code = UInt32(String(scalars: digits), radix: 16), let scalar = Unicode.Scalar(code)
    else { throw failure("an escape does not name a Unicode scalar by \(count) digits") }
    skip(count)
    return scalar
  }

  // MARK: - Numbers

  private mutating func number() throws(ChatTemplateError) -> TemplateToken.Kind {
    for (mark, radix) in [("x", 16), ("o", 8), ("b", 2)]
    where starts("0" + mark) || starts("0" + mark.uppercased()) {
      skip(2)
      return try integer(taken { $0 == "_" || $0.properties.isASCIIHexDigit }, radix: radix)
    }
    // `a.0.5` is an element of an element.
    let isPlace = index > 0 && source[index - 1] == "."
    var digits = takenDigits()
    guard !isPlace else { return try integer(digits) }
    var isInteger = true
    if starts("."), index + 1 < source.count, Self.isDigit(source[index + 1]) {
      take()
      digits += "." + takenDigits()
      isInteger = false
    }
    if starts("e") || starts("E") {
      let signed = starts("+", at: index + 1) || starts("-", at: index + 1)
      let place = index + (signed ? 2 : 1)
      if place < source.count, Self.isDigit(source[place]) {
        digits += "e" + (starts("-", at: index + 1) ? "-" : "")
        skip(place - index)
        digits += takenDigits()
        isInteger = false
      }
    }
    if isInteger { return try integer(digits) }
    guard let value = Double(digits) else { throw failure("the number \(digits) is malformed") }
    return .number(value)
  }

  private mutating func takenDigits() -> String {
    taken { $0 == "_" || Self.isDigit($0) }.filter { $0 != "_" }
  }

  private func integer(
    _ digits: String,
    radix: Int = 10
  ) throws(ChatTemplateError) -> TemplateToken.Kind {
    let digits = digits.filter { $0 != "_" }
    guard radix != 10 || digits.first != "0" || digits.allSatisfy({ $0 == "0" }) else {
      throw failure("the number \(digits) begins with 0")
    }
    guard let value = Int(digits, radix: radix) else {
      throw failure("the number \(digits) is too large or malformed")
    }
    return .integer(value)
  }
}
