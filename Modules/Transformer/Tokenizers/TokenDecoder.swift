/// How tokens become text again.
///
/// Every released decoder is one of these shapes; each works on one token after the other, so that
/// a whole list and a stream give the same text.
enum TokenDecoder: Sendable {
  /// Bytes of a byte-level vocabulary.
  case byteLevel
  /// Texts that are changed one by one, byte tokens that are collected, a start that is stripped.
  case pieces(PieceDecoder)
  /// Replacement character to space; those of the first token vanish unless `keepsFirst`.
  case metaspace(replacement: Unicode.Scalar, keepsFirst: Bool)
  /// Continuations lose their prefix, other tokens get a space before them.
  case wordPiece(prefix: String, cleansUp: Bool)
  /// No decoder: tokens with a space between them.
  case spaced

  /// How many scalars may be stripped from the start of the whole text.
  var leadingCount: Int {
    if case .pieces(let pieces) = self { pieces.leading?.count ?? 0 } else { 0 }
  }
}

/// The decoder of SentencePiece-style vocabularies.
struct PieceDecoder: Sendable {
  /// A change to one token.
  enum Step: Sendable {
    case replace([UInt8], with: [UInt8])
    /// Strips at most so many `content` from either end.
    case strip(Unicode.Scalar, start: Int, stop: Int)
  }

  var steps: [Step] = []
  /// Whether `<0x41>` is the byte 0x41.
  var joinsBytes = false
  /// What is stripped from the start of the whole text, and how often at most.
  var leading: (scalar: Unicode.Scalar, count: Int)?

  /// The text of one token.
  func text(of token: [UInt8]) -> [UInt8] {
    var token = token
    for step in steps {
      switch step {
      case .replace(let pattern, let content):
        token = TextNormalizer.replaced(token, pattern, with: content)
      case .strip(let scalar, let start, let stop):
        token = PieceDecoder.stripped(token, scalar, start, stop)
      }
    }
    return token
  }

  /// The byte of a byte token.
  static func byte(of token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == 0x3E,
      let high = hexDigit(token[3]), let low = hexDigit(token[4])
    else { return nil }
    return high << 4 | low
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  private static func stripped(
    _ token: [UInt8],
    _ scalar: Unicode.Scalar,
    _ start: Int,
    _ stop: Int
  ) -> [UInt8] {
    var content: [UInt8] = []
    content.append(scalar)
    var rest = token[...]
    for _ in 0..<start where rest.starts(with: content) { rest.removeFirst(content.count) }
    for _ in 0..<stop where rest.suffix(content.count).elementsEqual(content) {
      rest.removeLast(content.count)
    }
    return Array(rest)
  }
}
