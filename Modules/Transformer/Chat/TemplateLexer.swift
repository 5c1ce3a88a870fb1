/// A token of a chat template and the line that it stands in.
struct TemplateToken: Equatable {
  enum Kind: Equatable {
    /// Text outside of all tags.
    case text(String)
    case blockBegin
    case blockEnd
    case printBegin
    case printEnd
    case name(String)
    case string(String)
    case integer(Int)
    case number(Double)
    /// An operator or a bracket.
    case symbol(String)
  }

  var kind: Kind
  var line: Int
}

/// Cuts a chat template into tokens, with the white space that the transformers library leaves:
/// blocks take the line feed behind them and the spaces before them in their line.
struct TemplateLexer {
  private let source: [Character]
  private var index = 0
  private var line = 1
  private var tokens: [TemplateToken] = []
  private var text = ""

  static func tokens(of source: String) throws(ChatTemplateError) -> [TemplateToken] {
    var lexer = TemplateLexer(source)
    try lexer.scan()
    return lexer.tokens
  }

  private init(_ source: String) {
    let unified = source.replacing("\r\n", with: "\n")
    // One line feed at the very end does not count.
    self.source = Array(unified.hasSuffix("\n") ? String(unified.dropLast()) : unified)
  }

  private mutating func scan() throws(ChatTemplateError) {
    while index < source.count {
      if starts("{%") {
        try tag(begin: .blockBegin, end: .blockEnd, close: "%}")
      } else if starts("{{") {
        try tag(begin: .printBegin, end: .printEnd, close: "}}")
      } else if starts("{#") {
        try comment()
      } else {
        text.append(take())
      }
    }
    flush()
  }

  private func starts(_ mark: String, at offset: Int = 0) -> Bool {
    let mark = Array(mark)
    let start = index + offset
    return start + mark.count <= source.count && Array(source[start..<start + mark.count]) == mark
  }

  @discardableResult
  private mutating func take() -> Character {
    let character = source[index]
    if character == "\n" { line += 1 }
    index += 1
    return character
  }

  private mutating func skip(_ count: Int) { for _ in 0..<count { take() } }

  private mutating func flush() {
    if !text.isEmpty { tokens.append(TemplateToken(kind: .text(text), line: line)) }
    text = ""
  }

  /// The white space before a tag: all of it, that of its line, or none.
  private mutating func trimBefore(isBlock: Bool) {
    if starts("-", at: 2) {
      while let last = text.last, last.isWhitespace { text.removeLast() }
    } else if isBlock && !starts("+", at: 2) {
      let spaces = text.reversed().prefix { $0 == " " || $0 == "\t" }.count
      let isLineStart =
        spaces == text.count
        ? tokens.isEmpty || (text.isEmpty ? false : followsLineFeed)
        : text.dropLast(spaces).last == "\n"
      if isLineStart { text.removeLast(spaces) }
    }
    flush()
  }

  /// Whether the text since the last tag begins in a new line: its line feed was taken by the tag.
  private var followsLineFeed: Bool {
    let start = index - text.count
    return start == 0 || source[start - 1] == "\n"
  }

  /// The white space behind a tag, of which a block takes one line feed.
  private mutating func trimAfter(strips: Bool, isBlock: Bool) {
    if strips {
      while index < source.count, source[index].isWhitespace { take() }
    } else if isBlock, starts("\n") {
      take()
    }
  }

  private mutating func comment() throws(ChatTemplateError) {
    let first = line
    trimBefore(isBlock: true)
    skip(2)
    while index < source.count, !starts("#}") { take() }
    guard index < source.count else {
      throw ChatTemplateError(line: first, reason: "a comment has no end")
    }
    let strips = source[index - 1] == "-"
    skip(2)
    trimAfter(strips: strips, isBlock: true)
  }

  private mutating func tag(
    begin: TemplateToken.Kind,
    end: TemplateToken.Kind,
    close: String
  ) throws(ChatTemplateError) {
    let (first, isBlock) = (line, begin == .blockBegin)
    trimBefore(isBlock: isBlock)
    tokens.append(TemplateToken(kind: begin, line: line))
    skip(2)
    if index < source.count, source[index] == "-" || source[index] == "+" { take() }
    while true {
      while index < source.count, source[index].isWhitespace { take() }
      guard index < source.count else {
        throw ChatTemplateError(line: first, reason: "a tag has no end")
      }
      let strips = starts("-" + close)
      if strips || starts(close) || (isBlock && starts("+" + close)) {
        skip(starts(close) ? 2 : 3)
        tokens.append(TemplateToken(kind: end, line: line))
        trimAfter(strips: strips, isBlock: isBlock)
        return
      }
      try element()
    }
  }

  private mutating func element() throws(ChatTemplateError) {
    let first = line
    let character = source[index]
    let kind: TemplateToken.Kind
    if character == "'" || character == "\"" {
      kind = .string(try string())
    } else if character.isASCII && character.isNumber {
      kind = try number()
    } else if character == "_" || character.isLetter {
      var name = ""
      while index < source.count,
        source[index] == "_" || source[index].isLetter || source[index].isNumber
      {
        name.append(take())
      }
      kind = .name(name)
    } else {
      let symbols = ["**", "//", "==", "!=", "<=", ">="] + "+-*/%~<>=()[]{}.,:|".map { String($0) }
      guard let symbol = symbols.first(where: { starts($0) }) else {
        throw ChatTemplateError(line: first, reason: "the character '\(character)' has no meaning")
      }
      skip(symbol.count)
      kind = .symbol(symbol)
    }
    tokens.append(TemplateToken(kind: kind, line: first))
  }

  private mutating func string() throws(ChatTemplateError) -> String {
    let (first, quote) = (line, take())
    var value = ""
    while index < source.count, source[index] != quote {
      guard source[index] == "\\", index + 1 < source.count else {
        value.append(take())
        continue
      }
      take()
      switch take() {
      case "n": value.append("\n")
      case "t": value.append("\t")
      case "r": value.append("\r")
      case "\n": break
      case let other where other == "\\" || other == "'" || other == "\"": value.append(other)
      case let other: value += "\\\(other)"
      }
    }
    guard index < source.count else {
      throw ChatTemplateError(line: first, reason: "a text has no closing quote")
    }
    take()
    return value
  }

  private mutating func number() throws(ChatTemplateError) -> TemplateToken.Kind {
    var digits = ""
    while index < source.count, source[index].isASCII, source[index].isNumber {
      digits.append(take())
    }
    if starts("."), index + 1 < source.count, source[index + 1].isASCII, source[index + 1].isNumber
    {
      digits.append(take())
      while index < source.count, source[index].isASCII, source[index].isNumber {
        digits.append(take())
      }
      if let value = Double(digits) { return .number(value) }
    }
    guard let value = Int(digits) else {
      throw ChatTemplateError(line: line, reason: "the number \(digits) is too large")
    }
    return .integer(value)
  }
}
