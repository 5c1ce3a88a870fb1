/// The parts of a response in bytes: where the tags are, and what the answer is.
struct AnswerText {
  let bytes: [UInt8]

  init(_ text: String) { bytes = Array(text.utf8) }

  /// The bytes in which a place is looked for: the content of the last answer that is closed; else
  /// what follows the last closed thought; else nothing where a thought was never closed; else all.
  var answer: Range<Int> {
    if let answer = lastClosed(Tag.answer, Tag.answerEnd) { return answer }
    if let end = last(Tag.thinkEnd, in: bytes.indices) { return end.upperBound..<bytes.count }
    if first(Tag.think, in: bytes.indices) != nil { return bytes.count..<bytes.count }
    return bytes.indices
  }

  /// Whether the response, white space around it aside, is one thought that is not blank, then one
  /// answer, each tag once.
  var hasDemandedForm: Bool {
    let all = trimmed(bytes.indices)
    for tag in [Tag.think, Tag.thinkEnd, Tag.answer, Tag.answerEnd] where !occursOnce(tag) {
      return false
    }
    guard let think = first(Tag.think, in: all), think.lowerBound == all.lowerBound,
      let thinkEnd = first(Tag.thinkEnd, in: think.upperBound..<all.upperBound),
      !trimmed(think.upperBound..<thinkEnd.lowerBound).isEmpty,
      let answer = first(Tag.answer, in: thinkEnd.upperBound..<all.upperBound),
      trimmed(thinkEnd.upperBound..<answer.lowerBound).isEmpty,
      let end = first(Tag.answerEnd, in: answer.upperBound..<all.upperBound)
    else { return false }
    return end.upperBound == all.upperBound
  }

  enum Tag {
    static let think = Array("<think>".utf8)
    static let thinkEnd = Array("</think>".utf8)
    static let answer = Array("<answer>".utf8)
    static let answerEnd = Array("</answer>".utf8)
  }
}

// MARK: - Search

extension AnswerText {
  /// Where a word occurs first in a range.
  func first(_ word: [UInt8], in range: Range<Int>) -> Range<Int>? {
    guard range.count >= word.count else { return nil }
    for start in range.lowerBound...range.upperBound - word.count where matches(word, at: start) {
      return start..<start + word.count
    }
    return nil
  }

  /// Where a word occurs last in a range.
  func last(_ word: [UInt8], in range: Range<Int>) -> Range<Int>? {
    guard range.count >= word.count else { return nil }
    let starts = range.lowerBound...range.upperBound - word.count
    for start in starts.reversed() where matches(word, at: start) {
      return start..<start + word.count
    }
    return nil
  }

  /// Whether a word stands at an offset.
  func matches(_ word: [UInt8], at start: Int) -> Bool {
    guard start + word.count <= bytes.count else { return false }
    for index in word.indices where bytes[start + index] != word[index] { return false }
    return true
  }

  private func occursOnce(_ tag: [UInt8]) -> Bool {
    guard let found = first(tag, in: bytes.indices) else { return false }
    return first(tag, in: found.upperBound..<bytes.count) == nil
  }

  /// The content of the last opening tag that a closing one follows.
  private func lastClosed(_ open: [UInt8], _ close: [UInt8]) -> Range<Int>? {
    guard let end = last(close, in: bytes.indices),
      let start = last(open, in: 0..<end.lowerBound),
      let nearest = first(close, in: start.upperBound..<bytes.count)
    else { return nil }
    return start.upperBound..<nearest.lowerBound
  }

  /// A range without the white space at its ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, isBlank(bytes[start]) { start += 1 }
    while start < end, isBlank(bytes[end - 1]) { end -= 1 }
    return start..<end
  }
}

/// Whether a byte is white space of ASCII.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
