/// Encodes a text that arrives in parts, for texts that need not be in memory at once.
///
///     var encoder = tokenizer.makeStreamEncoder()
///     for part in parts { ids += encoder.append(part) }
///     ids += encoder.finish()
///
/// The ids are those of the whole text. Byte-level tokenizers hold back no more than what the next
/// part may change, some words as a rule; others must see the whole text and hold it back until
/// `finish`.
public struct TokenStreamEncoder: Sendable {
  private let tokenizer: Tokenizer
  private let addsSpecialTokens: Bool
  private let specialTokenText: SpecialTokenText
  private let allowsCuts: Bool
  private var cutter = TextCutter()
  private var held = ""
  private var hasStarted = false

  init(_ tokenizer: Tokenizer, _ addsSpecialTokens: Bool, _ specialTokenText: SpecialTokenText) {
    self.tokenizer = tokenizer
    self.addsSpecialTokens = addsSpecialTokens
    self.specialTokenText = specialTokenText
    allowsCuts = tokenizer.allowsCuts
  }

  /// The ids that are certain after this part of the text.
  public mutating func append(_ part: String) -> [Int32] {
    guard allowsCuts else {
      held += part
      return []
    }
    let encoded = encoded
    var (part, ids) = (part, [Int32]())
    part.withUTF8 { bytes in
      cutter.append(bytes) { text in ids = encoded(text) }
    }
    return ids.isEmpty ? [] : opening() + ids
  }

  /// The ids of the rest; the next part begins another text.
  public mutating func finish() -> [Int32] {
    defer { (held, hasStarted) = ("", false) }
    guard allowsCuts else {
      return tokenizer.encode(
        held,
        addSpecialTokens: addsSpecialTokens,
        specialTokenText: specialTokenText
      )
    }
    let encoded = encoded
    var ids: [Int32] = []
    cutter.finish { text in ids = encoded(text) }
    return opening() + ids + (addsSpecialTokens ? tokenizer.template.suffixIDs : [])
  }

  /// The ids of a stretch of the text.
  private var encoded: (UTF8Text) -> [Int32] {
    let (tokenizer, specialTokenText) = (tokenizer, specialTokenText)
    return { text in
      tokenizer.encode(
        String(decoding: text, as: UTF8.self),
        addSpecialTokens: false,
        specialTokenText: specialTokenText
      )
    }
  }

  private mutating func opening() -> [Int32] {
    defer { hasStarted = true }
    return hasStarted || !addsSpecialTokens ? [] : tokenizer.template.prefixIDs
  }
}

extension Tokenizer {
  /// An encoder for a text that arrives in parts.
  ///
  /// - Parameters:
  ///   - addSpecialTokens: whether the tokenizer's template is applied.
  ///   - specialTokenText: what special tokens that are spelled out in the text mean.
  /// - Returns: An encoder that has seen nothing.
  public func makeStreamEncoder(
    addSpecialTokens: Bool = true,
    specialTokenText: SpecialTokenText = .parsed
  ) -> TokenStreamEncoder {
    TokenStreamEncoder(self, addSpecialTokens, specialTokenText)
  }

  /// Whether the parts of a text that is cut where `UTF8Text.isCut(at:)` says so have its ids.
  fileprivate var allowsCuts: Bool {
    // Canonical forms neither make nor move white space, and nothing composes with a space or a line
    // feed before it.
    let keepsCuts = normalizer.steps.allSatisfy { step in
      if case .form(let form) = step { form == .composed || form == .decomposed } else { false }
    }
    let staysInside = vocabulary.added.allSatisfy { token in
      !token.stripsLeft && !token.stripsRight
        && !token.content.unicodeScalars.contains { ScalarClass.isWhitespace($0.value) }
    }
    let place = template.single.firstIndex { if case .first = $0 { true } else { false } }
    let isSimple = place.map { $0 <= 1 && template.single.count - $0 <= 2 } ?? false
    return preTokenizer.allowsCuts && keepsCuts && staysInside && isSimple
  }
}
