/// Cuts normalized text into the pieces that a model sees one at a time.
///
/// A pre-tokenizer is a list of steps. Each cuts the pieces of the step before; a step that also
/// changes the text (a prefix space, a metaspace) rewrites it first. The mapping of bytes to
/// printable characters that `ByteLevel` implies is not done here: byte-level vocabularies are
/// turned back into bytes when they are loaded.
struct PreTokenizer: Sendable {
  /// When a metaspace goes before the text.
  enum PrefixScheme: String, Sendable, CaseIterable {
    case always
    case first
    case never
  }

  /// What becomes of the text that a delimiter matches.
  enum DelimiterBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  /// One step.
  enum Step: Sendable {
    case pattern(SplitPattern)
    case literal([UInt8], DelimiterBehavior)
    case digits(individually: Bool)
    case prefixSpace
    case metaspace(replacement: [UInt8], prefix: PrefixScheme, splits: Bool)
    case bert
    case whitespace
    case punctuation(DelimiterBehavior)
  }

  var steps: [Step] = []
  /// Whether a `ByteLevel` step asks for a byte-level vocabulary.
  var isByteLevel = false

  /// Whether a text may be cut where `UTF8Text.isCut(at:)` says so.
  var allowsCuts: Bool {
    var hasPattern = false
    for step in steps {
      switch step {
      case .pattern: hasPattern = true
      case .digits: break
      case .literal, .prefixSpace, .metaspace, .bert, .whitespace, .punctuation: return false
      }
    }
    return hasPattern
  }

  /// Calls `body` with each text to tokenize and its pieces.
  ///
  /// `isFirst` says whether the text opens the input, before any added token. The text that `body`
  /// receives lives for the call only.
  func pieces(
    of text: UTF8Text,
    isFirst: Bool,
    _ body: (UTF8Text, [Range<Int>]) -> Void
  ) {
    var pieces = [0..<text.count]
    var owned: [UInt8]?
    for step in steps {
      switch step {
      case .prefixSpace:
        owned = rewrite(owned, text, &pieces) { piece, output in
          if piece.first != 0x20 { output.append(0x20) }
          output.append(contentsOf: piece)
        }
      case .metaspace(let replacement, let prefix, let splits):
        owned = rewrite(owned, text, &pieces) { piece, output in
          let isPrefixed = prefix == .always || (prefix == .first && isFirst && piece.isFirst)
          PreTokenizer.metaspace(piece, replacement, isPrefixed, into: &output)
        }
        if splits { pieces = cut(owned, text, pieces, .literal(replacement, .mergedWithNext)) }
      case .pattern, .literal, .digits, .bert, .whitespace, .punctuation:
        pieces = cut(owned, text, pieces, step)
      }
    }
    if let owned {
      owned.withUnsafeBufferPointer { body($0, pieces) }
    } else {
      body(text, pieces)
    }
  }

  // MARK: - Steps that rewrite

  /// A piece in a rewriting step.
  private struct Piece: Sequence {
    var bytes: Slice<UTF8Text>
    var isFirst: Bool
    var first: UInt8? { bytes.first }
    func makeIterator() -> Slice<UTF8Text>.Iterator { bytes.makeIterator() }
  }

  private func rewrite(
    _ owned: [UInt8]?,
    _ text: UTF8Text,
    _ pieces: inout [Range<Int>],
    _ body: (Piece, inout [UInt8]) -> Void
  ) -> [UInt8] {
    withText(owned, text) { text in
      var output: [UInt8] = []
      output.reserveCapacity(text.count + text.count / 4)
      for index in pieces.indices {
        let start = output.count
        body(Piece(bytes: text[pieces[index]], isFirst: index == 0), &output)
        pieces[index] = start..<output.count
      }
      return output
    }
  }

  private static func metaspace(
    _ piece: Piece,
    _ replacement: [UInt8],
    _ isPrefixed: Bool,
    into output: inout [UInt8]
  ) {
    let startsWithSpace = piece.first == 0x20 || piece.bytes.starts(with: replacement)
    if isPrefixed && !startsWithSpace { output.append(contentsOf: replacement) }
    for byte in piece {
      if byte == 0x20 { output.append(contentsOf: replacement) } else { output.append(byte) }
    }
  }

  // MARK: - Steps that cut

  private func cut(
    _ owned: [UInt8]?,
    _ text: UTF8Text,
    _ pieces: [Range<Int>],
    _ step: Step
  ) -> [Range<Int>] {
    withText(owned, text) { text in
      var result: [Range<Int>] = []
      result.reserveCapacity(max(pieces.count, text.count / 4))
      for piece in pieces where !piece.isEmpty {
        PreTokenizer.cut(text, piece, step, into: &result)
      }
      return result
    }
  }

  private static func cut(
    _ text: UTF8Text,
    _ piece: Range<Int>,
    _ step: Step,
    into result: inout [Range<Int>]
  ) {
    switch step {
    case .pattern(let pattern):
      pattern.split(text, piece.lowerBound, piece.upperBound, into: &result)
    case .literal(let delimiter, let behavior):
      var matches = DelimiterSplitter(behavior, piece)
      matches.splitLiteral(text, delimiter)
      matches.finish(into: &result)
    case .digits(let individually):
      split(text, piece, individually ? .isolated : .contiguous, &result, isNumber)
    case .bert:
      var words: [Range<Int>] = []
      split(text, piece, .removed, &words, ScalarClass.isWhitespace)
      for word in words { split(text, word, .isolated, &result, isPunctuation) }
    case .whitespace:
      split(text, piece, .removed, &result, ScalarClass.isWhitespace)
    case .punctuation(let behavior):
      split(text, piece, behavior, &result, isPunctuation)
    case .prefixSpace, .metaspace:
      result.append(piece)
    }
  }

  @inline(__always)
  private static func split(
    _ text: UTF8Text,
    _ piece: Range<Int>,
    _ behavior: DelimiterBehavior,
    _ result: inout [Range<Int>],
    _ isDelimiter: (UInt32) -> Bool
  ) {
    var matches = DelimiterSplitter(behavior, piece)
    var position = piece.lowerBound
    while position < piece.upperBound {
      let (value, length) = text.scalar(at: position, end: piece.upperBound)
      if isDelimiter(value) { matches.match(position..<position + length) }
      position += length
    }
    matches.finish(into: &result)
  }

  @inline(__always)
  private static func isNumber(_ value: UInt32) -> Bool { ScalarClass(value) == .number }

  /// ASCII symbols and the Unicode categories P*.
  @inline(__always)
  private static func isPunctuation(_ value: UInt32) -> Bool {
    if value < 0x80 {
      return switch value {
      case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
      default: false
      }
    }
    guard let scalar = Unicode.Scalar(value) else { return false }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default:
      return false
    }
  }

  private func withText<Result>(
    _ owned: [UInt8]?,
    _ text: UTF8Text,
    _ body: (UTF8Text) -> Result
  ) -> Result {
    if let owned { return owned.withUnsafeBufferPointer(body) }
    return body(text)
  }
}
