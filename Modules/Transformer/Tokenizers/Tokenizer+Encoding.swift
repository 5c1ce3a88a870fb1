/// What the spelling of a special token means inside a text.
public enum SpecialTokenText: Hashable, Sendable {
  /// It is the special token: for prompts that a program wrote.
  case parsed
  /// It is ordinary text: for words of a user, who must not be able to forge a turn.
  case plain
}

extension Tokenizer {
  /// The ids of a text.
  ///
  /// - Parameters:
  ///   - text: any text; the empty one gives no ids but the special ones.
  ///   - addSpecialTokens: whether the tokenizer's template is applied (a BOS, `[CLS] … [SEP]`).
  ///   - specialTokenText: what special tokens that are spelled out in `text` mean.
  /// - Returns: The ids, in order.
  public func encode(
    _ text: String,
    addSpecialTokens: Bool = true,
    specialTokenText: SpecialTokenText = .parsed
  ) -> [Int32] {
    guard addSpecialTokens, template.single != TokenTemplate.plain.single else {
      var ids: [Int32] = []
      append(text, specialTokenText, to: &ids)
      return ids
    }
    var ids: [Int32] = []
    for part in template.single {
      switch part {
      case .special(let special, _): ids.append(contentsOf: special)
      case .first: append(text, specialTokenText, to: &ids)
      case .second: break
      }
    }
    return ids
  }

  /// The ids of two texts in one row, with the type of each id.
  ///
  /// - Parameters:
  ///   - first: the text of type 0.
  ///   - second: the text that follows.
  ///   - addSpecialTokens: whether the tokenizer's template for pairs is applied.
  ///   - specialTokenText: what special tokens that are spelled out in the texts mean.
  /// - Returns: The ids and the type of each.
  public func encodePair(
    _ first: String,
    _ second: String,
    addSpecialTokens: Bool = true,
    specialTokenText: SpecialTokenText = .parsed
  ) -> TokenizedPair {
    var result = TokenizedPair(ids: [], typeIDs: [])
    func fill(_ typeID: Int32) {
      let missing = result.ids.count - result.typeIDs.count
      result.typeIDs.append(contentsOf: repeatElement(typeID, count: missing))
    }
    for part in addSpecialTokens ? template.pair : TokenTemplate.plain.pair {
      switch part {
      case .special(let special, let typeID):
        result.ids.append(contentsOf: special)
        fill(typeID)
      case .first(let typeID):
        append(first, specialTokenText, to: &result.ids)
        fill(typeID)
      case .second(let typeID):
        append(second, specialTokenText, to: &result.ids)
        fill(typeID)
      }
    }
    return result
  }

  // MARK: - The pipeline

  private func append(_ text: String, _ special: SpecialTokenText, to ids: inout [Int32]) {
    var text = text
    var buffer = EncodingBuffer(blocked: special == .plain ? vocabulary.specialIDs : nil)
    swap(&buffer.ids, &ids)
    buffer.ids.reserveCapacity(buffer.ids.count + text.utf8.count / 4)
    text.withUTF8 { bytes in
      appendStretches(bytes, rawMatcher, to: &buffer) { stretch, isFirst, buffer in
        appendNormalized(stretch, isFirst: isFirst, to: &buffer)
      }
    }
    swap(&buffer.ids, &ids)
  }

  /// Appends the added tokens of a text, and hands what lies between them to `body`.
  private func appendStretches(
    _ text: UTF8Text,
    _ matcher: AddedTokenMatcher,
    to buffer: inout EncodingBuffer,
    _ body: (_ stretch: UTF8Text, _ isFirst: Bool, inout EncodingBuffer) -> Void
  ) {
    if text.isEmpty { return }
    guard !matcher.isEmpty else {
      body(text, true, &buffer)
      return
    }
    matcher.forEachStretch(of: text, findsSpecial: buffer.blocked == nil) { range, id in
      if let id {
        buffer.ids.append(id)
      } else {
        body(UTF8Text(rebasing: text[range]), range.lowerBound == 0, &buffer)
      }
    }
  }

  private func appendNormalized(
    _ text: UTF8Text,
    isFirst: Bool,
    to buffer: inout EncodingBuffer
  ) {
    if normalizer.steps.isEmpty && normalizedMatcher.isEmpty {
      appendPieces(text, isFirst: isFirst, to: &buffer)
      return
    }
    let normalized = normalizer.normalized(Array(text))
    normalized.withUnsafeBufferPointer { bytes in
      appendStretches(bytes, normalizedMatcher, to: &buffer) { stretch, isFirstHere, buffer in
        appendPieces(stretch, isFirst: isFirst && isFirstHere, to: &buffer)
      }
    }
  }

  /// The size of the parts in which a text is cut into pieces, where it may come in parts.
  private static let partSize = 1 << 16

  private func appendPieces(_ text: UTF8Text, isFirst: Bool, to buffer: inout EncodingBuffer) {
    guard text.count > Self.partSize, preTokenizer.allowsCuts else {
      appendPart(text, isFirst: isFirst, to: &buffer)
      return
    }
    text.forEachPart(byteCount: Self.partSize) { appendPart($0, isFirst: false, to: &buffer) }
  }

  private func appendPart(_ text: UTF8Text, isFirst: Bool, to buffer: inout EncodingBuffer) {
    preTokenizer.pieces(of: text, isFirst: isFirst) { text, pieces in
      switch model {
      case .bytePair(let model):
        for piece in pieces where !piece.isEmpty {
          model.encode(text, piece.lowerBound, piece.upperBound, into: &buffer)
        }
      case .unigram(let model):
        for piece in pieces where !piece.isEmpty {
          model.encode(text, piece.lowerBound, piece.upperBound, into: &buffer)
        }
      case .wordPiece(let model):
        for piece in pieces where !piece.isEmpty {
          model.encode(text, piece.lowerBound, piece.upperBound, into: &buffer)
        }
      }
    }
  }
}

/// What encoding writes to.
struct EncodingBuffer {
  var ids: [Int32] = []
  /// The ids that text must not become: the special ones, where their spelling is plain text.
  let blocked: Set<Int32>?
  var scratch = BytePairModel.Scratch()

  init(blocked: Set<Int32>?) {
    self.blocked = blocked
  }
}
