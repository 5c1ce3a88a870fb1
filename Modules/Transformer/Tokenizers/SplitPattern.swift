/// The split patterns of released byte-level tokenizers, as hand-written scanners.
///
/// A pattern is known by its regular expression; the scanner gives the same pieces as a
/// leftmost-first regex engine does. Each covers the whole text, so a piece ends where the next
/// begins.
///
///     gpt2    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///     llama3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
///             | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///     qwen2   the same with \p{N} alone
enum SplitPattern: Hashable, Sendable {
  /// GPT-2, OPT, and `ByteLevel` with `use_regex`.
  case gpt2
  /// Llama 3, OLMo 2 (three digits at most) and Qwen 2 to 3 (one digit).
  case llama3(digits: Int)

  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let shortContractions = "(?i:[sdmt]|ll|ve|re)"
  private static let tail = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// The regular expressions that are known, each with its scanner.
  static let known: [(regex: String, pattern: SplitPattern)] = [
    (#"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
    (#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
    (contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"# + tail, .llama3(digits: 3)),
    (
      "'" + shortContractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"# + tail, .llama3(digits: 3)
    ),
    (contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"# + tail, .llama3(digits: 1)),
  ]

  /// Appends the pieces of `text[start..<end]`.
  func split(_ text: UTF8Text, _ start: Int, _ end: Int, into pieces: inout [Range<Int>]) {
    var position = start
    switch self {
    case .gpt2:
      while position < end {
        let next = SplitPattern.gpt2Piece(text, position, end)
        pieces.append(position..<next)
        position = next
      }
    case .llama3(let digits):
      while position < end {
        let next = SplitPattern.llama3Piece(text, position, end, digits: digits)
        pieces.append(position..<next)
        position = next
      }
    }
  }

  // MARK: - GPT-2

  @inline(__always)
  private static func gpt2Piece(_ text: UTF8Text, _ start: Int, _ end: Int) -> Int {
    let first = text[start]
    if first == 0x27, let next = contraction(text, start, end, foldsCase: false) { return next }
    let (kind, length) = text.scalarClass(at: start, end: end)
    if kind != .whitespace {
      return text.endOfRun(of: kind, from: start + length, end: end)
    }
    if first == 0x20, start + 1 < end {
      let (next, nextLength) = text.scalarClass(at: start + 1, end: end)
      if next != .whitespace {
        return text.endOfRun(of: next, from: start + 1 + nextLength, end: end)
      }
    }
    return whitespacePiece(text, start, end)
  }

  /// `\s+(?!\S)|\s+`: the run of white space, less its last scalar when text follows.
  @inline(__always)
  private static func whitespacePiece(_ text: UTF8Text, _ start: Int, _ end: Int) -> Int {
    let runEnd = text.endOfRun(of: .whitespace, from: start, end: end)
    if runEnd == end { return end }
    let last = text.startOfScalar(before: runEnd, start: start)
    return last > start ? last : runEnd
  }

  /// The end of `'s 't 'm 'd 're 've 'll` at an apostrophe.
  private static func contraction(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    foldsCase: Bool
  ) -> Int? {
    let fold: UInt8 = foldsCase ? 0x20 : 0
    guard start + 1 < end else { return nil }
    let first = text[start + 1]
    switch first | fold {
    case 0x73, 0x74, 0x6D, 0x64: return start + 2  // s t m d
    default: break
    }
    guard start + 2 < end else { return nil }
    let second = text[start + 2]
    switch (first | fold, second | fold) {
    case (0x6C, 0x6C), (0x76, 0x65), (0x72, 0x65): return start + 3  // ll ve re
    default: break
    }
    let isLongS = first == 0xC5 && second == 0xBF  // U+017F folds to s
    return foldsCase && isLongS ? start + 3 : nil
  }

  // MARK: - Llama 3 and Qwen 2

  @inline(__always)
  private static func llama3Piece(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    digits: Int
  ) -> Int {
    let first = text[start]
    if first == 0x27, let next = contraction(text, start, end, foldsCase: true) { return next }
    let (kind, length) = text.scalarClass(at: start, end: end)
    let after = start + length
    switch kind {
    case .letter:
      return text.endOfRun(of: .letter, from: after, end: end)
    case .number:
      return endOfDigits(text, after, end, atMost: digits - 1)
    case .other, .whitespace:
      break
    }
    var next = ScalarClass.whitespace
    var nextLength = 0
    if after < end { (next, nextLength) = text.scalarClass(at: after, end: end) }
    if next == .letter, first != 0x0A, first != 0x0D {
      return text.endOfRun(of: .letter, from: after + nextLength, end: end)
    }
    if kind == .other { return endOfSymbols(text, after, end) }
    if first == 0x20, next == .other { return endOfSymbols(text, after + nextLength, end) }
    return lineBreakPiece(text, start, end) ?? whitespacePiece(text, start, end)
  }

  private static func endOfDigits(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    atMost count: Int
  ) -> Int {
    var position = start
    for _ in 0..<count where position < end {
      let (kind, length) = text.scalarClass(at: position, end: end)
      guard kind == .number else { break }
      position += length
    }
    return position
  }

  /// The end of `[^\s\p{L}\p{N}]*[\r\n]*`.
  @inline(__always)
  private static func endOfSymbols(_ text: UTF8Text, _ start: Int, _ end: Int) -> Int {
    var position = text.endOfRun(of: .other, from: start, end: end)
    while position < end, text[position] == 0x0A || text[position] == 0x0D { position += 1 }
    return position
  }

  /// `\s*[\r\n]+`: up to the last line break of the run of white space.
  @inline(__always)
  private static func lineBreakPiece(_ text: UTF8Text, _ start: Int, _ end: Int) -> Int? {
    var position = text.endOfRun(of: .whitespace, from: start, end: end)
    while position > start {
      if text[position - 1] == 0x0A || text[position - 1] == 0x0D { return position }
      position -= 1
    }
    return nil
  }
}
