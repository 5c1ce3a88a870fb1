/// Turns ids into text as they come.
///
/// `append` returns the text that is certain by now: never half a character, and nothing that a
/// later id could change. The pieces joined, `finish` included, are what `Tokenizer.decode` gives
/// for all the ids.
///
///     var decoder = tokenizer.makeStreamDecoder()
///     for id in ids { print(decoder.append(id), terminator: "") }
///     print(decoder.finish())
public struct TokenStreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  /// Bytes that are decoded but not yet given out.
  private var ready: [UInt8] = []
  /// Byte tokens in a row: whether they are text shows only when the row ends.
  private var byteRun: [UInt8] = []
  private var isFirst = true
  private var leadingLeft: Int

  /// A decoder at the start of a text.
  ///
  /// - Parameters:
  ///   - tokenizer: whose ids will come.
  ///   - skipSpecialTokens: whether special tokens are left out of the text.
  public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
    leadingLeft = tokenizer.decoder.leadingCount
  }

  /// Takes the next id and returns the text that is now complete, often none.
  ///
  /// Ids that the vocabulary lacks give no text.
  public mutating func append(_ id: Int32) -> String {
    consume(id)
    return takeText(upTo: TokenStreamDecoder.completeLength(of: ready))
  }

  /// Ends the text and returns what is left; incomplete characters become U+FFFD.
  public mutating func finish() -> String {
    endByteRun()
    stripLeading(isEnd: true)
    isFirst = true
    leadingLeft = tokenizer.decoder.leadingCount
    return takeText(upTo: ready.count)
  }

  /// What an id adds to a text that has begun, special tokens as they are spelt: bytes, because a
  /// token may be a part of a character.
  static func bytes(of id: Int32, _ tokenizer: Tokenizer) -> [UInt8] {
    var decoder = TokenStreamDecoder(tokenizer, skipSpecialTokens: false)
    (decoder.isFirst, decoder.leadingLeft) = (false, 0)
    decoder.consume(id)
    return decoder.ready + decoder.byteRun
  }

  // MARK: - One id

  /// Decodes an id into `ready`.
  mutating func consume(_ id: Int32) {
    let vocabulary = tokenizer.vocabulary
    if skipSpecialTokens && vocabulary.isSpecial(id) { return }
    switch tokenizer.decoder {
    case .byteLevel:
      appendBytes(id, vocabulary)
    case .pieces(let pieces):
      if let token = vocabulary.spelling(of: id) { appendPiece(token, pieces) }
    case .metaspace(let replacement, let keepsFirst):
      if let token = vocabulary.spelling(of: id) {
        appendMetaspace(token, replacement, dropsAll: isFirst && !keepsFirst)
      }
    case .wordPiece(let prefix, let cleansUp):
      if let token = vocabulary.spelling(of: id) { appendWordPiece(token, prefix, cleansUp) }
    case .spaced:
      guard let token = vocabulary.spelling(of: id) else { return }
      if !isFirst { ready.append(0x20) }
      ready.append(contentsOf: token)
      isFirst = false
    }
  }

  private mutating func appendBytes(_ id: Int32, _ vocabulary: Vocabulary) {
    if let token = vocabulary.addedToken(id) {
      let spelling = token.spelling
      let bytes = spelling.withUnsafeBufferPointer { ByteAlphabet.decoded($0) }
      ready.append(contentsOf: bytes ?? spelling)
    } else if let bytes = vocabulary.table.token(id) {
      ready.append(contentsOf: bytes)
    }
  }

  private mutating func appendPiece(_ token: [UInt8], _ pieces: PieceDecoder) {
    let text = pieces.text(of: token)
    if pieces.joinsBytes, let byte = PieceDecoder.byte(of: text) {
      byteRun.append(byte)
      return
    }
    endByteRun()
    ready.append(contentsOf: text)
    stripLeading(isEnd: false)
  }

  /// A row of byte tokens is text when it is valid UTF-8 as a whole; otherwise each byte is U+FFFD.
  private mutating func endByteRun() {
    if byteRun.isEmpty { return }
    if let text = String(validating: byteRun, as: UTF8.self) {
      ready.append(contentsOf: text.utf8)
    } else {
      for _ in byteRun { ready.append("\u{FFFD}" as Unicode.Scalar) }
    }
    byteRun.removeAll(keepingCapacity: true)
  }

  private mutating func stripLeading(isEnd: Bool) {
    guard leadingLeft > 0, case .pieces(let pieces) = tokenizer.decoder,
      let leading = pieces.leading
    else { return }
    var content: [UInt8] = []
    content.append(leading.scalar)
    while leadingLeft > 0, ready.starts(with: content) {
      ready.removeFirst(content.count)
      leadingLeft -= 1
    }
    if isEnd || !ready.isEmpty { leadingLeft = 0 }
  }

  private mutating func appendMetaspace(
    _ token: [UInt8],
    _ replacement: Unicode.Scalar,
    dropsAll: Bool
  ) {
    for scalar in token.scalars {
      if scalar != replacement {
        ready.append(scalar)
      } else if !dropsAll {
        ready.append(0x20)
      }
    }
    isFirst = false
  }

  private mutating func appendWordPiece(_ token: [UInt8], _ prefix: String, _ cleansUp: Bool) {
    var text = token
    if !isFirst {
      if token.starts(with: prefix.utf8) {
        text.removeFirst(prefix.utf8.count)
      } else {
        text.insert(0x20, at: 0)
      }
    }
    ready.append(contentsOf: cleansUp ? WordPieceCleanup.cleaned(text) : text)
    isFirst = false
  }

  // MARK: - Complete text

  private mutating func takeText(upTo count: Int) -> String {
    if count == 0 { return "" }
    let text = String(decoding: ready[..<count], as: UTF8.self)
    if count == ready.count {
      ready.removeAll(keepingCapacity: true)
    } else {
      ready.removeFirst(count)
    }
    return text
  }

  /// The number of bytes that later bytes cannot change: all but a started character at the end.
  static func completeLength(of bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let lead = bytes[bytes.count - back]
      if lead & 0xC0 == 0x80 { continue }
      let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1
      let isStarted = length > back && isPossible(bytes.suffix(back))
      return isStarted ? bytes.count - back : bytes.count
    }
    return bytes.count
  }

  /// Whether a lead byte and what follows can still become a character (RFC 3629, section 4).
  private static func isPossible(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let lead = bytes.first, 0xC2...0xF4 ~= lead else { return false }
    guard let second = bytes.dropFirst().first else { return true }
    return switch lead {
    case 0xE0: second >= 0xA0
    case 0xED: second < 0xA0
    case 0xF0: second >= 0x90
    case 0xF4: second < 0x90
    default: true
    }
  }
}

/// The text clean-up of BERT's decoder, applied to one token with its space.
enum WordPieceCleanup {
  private static let replacements: [([UInt8], [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

  static func cleaned(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(0x20) else { return text }
    return replacements.reduce(text) {
      TextNormalizer.replaced($0, $1.0, with: $1.1)
    }
  }
}
