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
/// blocks take the line feed behind them and the white space before them in their line.
///
/// The unit is the Unicode scalar, as in Python: a quote stays a quote before a combining mark.
struct TemplateLexer {
  let source: [Unicode.Scalar]
  var index = 0
  var line = 1
  var tokens: [TemplateToken] = []
  /// The brackets that a tag has opened, as the ones that close them: inside, `}}` ends no tag.
  var brackets: [Unicode.Scalar] = []
  /// Whether the text begins in a new line: behind a tag that took the line feed.
  private var beginsLine = true

  static func tokens(of source: String) throws(ChatTemplateError) -> [TemplateToken] {
    var lexer = TemplateLexer(source)
    try lexer.scan()
    return lexer.tokens
  }

  private init(_ source: String) {
    var unified: [Unicode.Scalar] = []
    var previous: Unicode.Scalar?
    for scalar in source.unicodeScalars {
      if scalar != "\n" || previous != "\r" { unified.append(scalar == "\r" ? "\n" : scalar) }
      previous = scalar
    }
    // One line feed at the very end does not count.
    if unified.last == "\n" { unified.removeLast() }
    self.source = unified
  }

  private mutating func scan() throws(ChatTemplateError) {
    while index < source.count {
      let first = index
      while index < source.count, !(source[index] == "{" && isTagMark(at: index + 1)) { take() }
      guard index < source.count else { return append(text: source[first...]) }
      switch source[index + 1] {
      case "#": try comment(after: source[first..<index])
      case "%":
        if let count = lengthOfRawBegin {
          try raw(after: source[first..<index], begin: count)
        } else {
          try tag(after: source[first..<index], isBlock: true)
        }
      default: try tag(after: source[first..<index], isBlock: false)
      }
    }
  }

  private func isTagMark(at place: Int) -> Bool {
    place < source.count && (source[place] == "%" || source[place] == "{" || source[place] == "#")
  }

  func starts(_ mark: String, at place: Int? = nil) -> Bool {
    var place = place ?? index
    for scalar in mark.unicodeScalars {
      guard place < source.count, source[place] == scalar else { return false }
      place += 1
    }
    return true
  }

  @discardableResult
  mutating func take() -> Unicode.Scalar {
    let scalar = source[index]
    if scalar == "\n" { line += 1 }
    index += 1
    return scalar
  }

  mutating func skip(_ count: Int) { for _ in 0..<count { take() } }

  mutating func skipSpace() {
    while index < source.count, TemplateText.isSpace(source[index]) { take() }
  }

  private mutating func append(text: ArraySlice<Unicode.Scalar>) {
    guard !text.isEmpty else { return }
    tokens.append(TemplateToken(kind: .text(String(scalars: text)), line: line))
  }

  /// The text before a tag, without the white space that the tag takes, and the tag's sign.
  private mutating func append(_ text: ArraySlice<Unicode.Scalar>, before isBlock: Bool) {
    var text = text
    let sign = index + 2 < source.count ? source[index + 2] : " "
    if sign == "-" {
      while let last = text.last, TemplateText.isSpace(last) { text.removeLast() }
    } else if sign != "+", isBlock {
      let lineFeed = text.lastIndex(of: "\n")
      let start = lineFeed.map { $0 + 1 } ?? text.startIndex
      if lineFeed != nil || beginsLine, text[start...].allSatisfy(TemplateText.isSpace) {
        text = text[..<start]
      }
    }
    append(text: text)
  }

  /// Takes `mark` with the sign before it and the white space behind it; false if it is not there.
  private mutating func end(_ mark: String, takesLineFeed: Bool) -> Bool {
    if starts("-" + mark) {
      skip(3)
      skipSpace()
    } else if starts(mark) || (takesLineFeed && starts("+" + mark)) {
      let keeps = source[index] == "+" || !takesLineFeed
      skip(source[index] == "+" ? 3 : 2)
      if !keeps, starts("\n") { take() }
    } else {
      return false
    }
    beginsLine = source[index - 1] == "\n"
    return true
  }

  private mutating func takeSign() {
    if starts("-") || starts("+") { take() }
  }

  private mutating func comment(
    after text: ArraySlice<Unicode.Scalar>
  ) throws(ChatTemplateError) {
    let first = line
    append(text, before: true)
    skip(2)
    takeSign()
    while index < source.count {
      if end("#}", takesLineFeed: true) { return }
      take()
    }
    throw ChatTemplateError(line: first, reason: "a comment has no end")
  }

  private mutating func tag(
    after text: ArraySlice<Unicode.Scalar>,
    isBlock: Bool
  ) throws(ChatTemplateError) {
    let first = line
    append(text, before: isBlock)
    tokens.append(TemplateToken(kind: isBlock ? .blockBegin : .printBegin, line: line))
    skip(2)
    takeSign()
    while true {
      skipSpace()
      guard index < source.count else {
        throw ChatTemplateError(line: first, reason: "a tag has no end")
      }
      if brackets.isEmpty {
        let last = line
        if end(isBlock ? "%}" : "}}", takesLineFeed: isBlock) {
          tokens.append(TemplateToken(kind: isBlock ? .blockEnd : .printEnd, line: last))
          return
        }
      }
      try element()
    }
  }
}

// MARK: - Raw text

extension TemplateLexer {
  /// The place behind spaces, `word` and spaces again, from behind a tag's mark and sign.
  private func place(behind word: String, from start: Int) -> Int? {
    var place = start + 2
    if place < source.count, source[place] == "-" || source[place] == "+" { place += 1 }
    while place < source.count, TemplateText.isSpace(source[place]) { place += 1 }
    guard starts(word, at: place) else { return nil }
    place += word.unicodeScalars.count
    while place < source.count, TemplateText.isSpace(source[place]) { place += 1 }
    return place
  }

  /// How long the tag `{% raw %}` is up to its end mark, if that is what stands here.
  private var lengthOfRawBegin: Int? {
    guard let place = place(behind: "raw", from: index),
      starts("%}", at: place) || starts("-%}", at: place)
    else { return nil }
    return place - index
  }

  private mutating func raw(
    after text: ArraySlice<Unicode.Scalar>,
    begin: Int
  ) throws(ChatTemplateError) {
    let first = line
    append(text, before: true)
    skip(begin)
    _ = end("%}", takesLineFeed: false)
    let start = index
    guard start < source.count else { return }
    while index < source.count {
      if starts("{%"), let place = place(behind: "endraw", from: index),
        ["%}", "-%}", "+%}"].contains(where: { starts($0, at: place) })
      {
        append(source[start..<index], before: true)
        skip(place - index)
        _ = end("%}", takesLineFeed: true)
        return
      }
      take()
    }
    throw ChatTemplateError(line: first, reason: "'endraw' is missing")
  }
}
