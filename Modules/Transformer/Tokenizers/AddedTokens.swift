/// A token that stands outside the model: it is cut out of the text before anything else.
struct AddedToken: Equatable, Sendable {
  var id: Int32
  var content: String
  /// The content as the model would see it, when it is searched in the normalized text: what
  /// decoding starts from.
  var normalizedContent: String?
  /// Only where no word character touches it.
  var isSingleWord = false
  /// Takes the white space before it.
  var stripsLeft = false
  /// Takes the white space after it.
  var stripsRight = false
  /// Left out when a text is decoded without special tokens.
  var isSpecial = true

  /// The spelling that is searched and decoded.
  var spelling: [UInt8] { Array((normalizedContent ?? content).utf8) }
}

/// Finds added tokens in a text: leftmost first, at one place the longest.
///
/// - Deviation: white space that one token strips is gone; the reference searches it for the next
///   token and may give its text twice.
struct AddedTokenMatcher: Sendable {
  private var trie = ByteTrie()
  private let tokens: [Int32: AddedToken]

  init(_ tokens: [AddedToken]) {
    var byID: [Int32: AddedToken] = [:]
    for token in tokens {
      trie.insert(token.spelling, id: token.id)
      byID[token.id] = token
    }
    self.tokens = byID
  }

  /// Whether there is nothing to find.
  var isEmpty: Bool { trie.isEmpty }

  /// Calls `body` for each stretch in order: plain text (`id` nil) or an added token.
  ///
  /// Without `findsSpecial`, special tokens are plain text.
  func forEachStretch(
    of text: UTF8Text,
    findsSpecial: Bool,
    _ body: (Range<Int>, Int32?) -> Void
  ) {
    var textStart = 0
    var position = 0
    while position < text.count {
      let match = trie.longestMatch(in: text, at: position, end: text.count) { id in
        findsSpecial || tokens[id]?.isSpecial == false
      }
      guard let match, let token = tokens[match.id] else {
        position += 1
        continue
      }
      let found = position..<match.end
      position = match.end
      if token.isSingleWord, touchesWord(text, found) { continue }
      let range = extended(text, found, token, notBefore: textStart)
      if textStart < range.lowerBound { body(textStart..<range.lowerBound, nil) }
      body(range, token.id)
      textStart = range.upperBound
      position = range.upperBound
    }
    if textStart < text.count { body(textStart..<text.count, nil) }
  }

  private func touchesWord(_ text: UTF8Text, _ range: Range<Int>) -> Bool {
    if range.upperBound < text.count, isWord(text, at: range.upperBound) { return true }
    guard range.lowerBound > 0 else { return false }
    return isWord(text, at: text.startOfScalar(before: range.lowerBound, start: 0))
  }

  /// `\w`: alphabetic, mark, decimal number, connector punctuation or joiner.
  private func isWord(_ text: UTF8Text, at index: Int) -> Bool {
    let (value, _) = text.scalar(at: index, end: text.count)
    guard let scalar = Unicode.Scalar(value) else { return false }
    if scalar.properties.isAlphabetic || scalar.properties.isJoinControl { return true }
    switch scalar.properties.generalCategory {
    case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark:
      return true
    default:
      return false
    }
  }

  private func extended(
    _ text: UTF8Text,
    _ range: Range<Int>,
    _ token: AddedToken,
    notBefore: Int
  ) -> Range<Int> {
    var (lower, upper) = (range.lowerBound, range.upperBound)
    while token.stripsLeft, lower > notBefore {
      let start = text.startOfScalar(before: lower, start: 0)
      let (value, _) = text.scalar(at: start, end: lower)
      guard ScalarClass.isWhitespace(value) else { break }
      lower = start
    }
    if token.stripsRight {
      upper = text.endOfRun(of: .whitespace, from: upper, end: text.count)
    }
    return lower..<upper
  }
}
