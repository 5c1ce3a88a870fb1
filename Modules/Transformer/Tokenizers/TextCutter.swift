/// Where a text may be cut so that its parts have the pieces of the whole.
///
/// The split patterns read from left to right and look at nothing before the place where a piece
/// begins, so a text may be cut wherever a piece ends whatever follows. Two such places are quick to
/// see in every pattern: before a space that follows no white space, and after a single line feed
/// between two scalars that are none.
extension UTF8Text {
  /// Whether every split pattern has a border before the scalar at `index`, in the text as in its
  /// part up to there.
  func isCut(at index: Int) -> Bool {
    guard index > 0, index < count else { return false }
    if self[index] == 0x20 { return !isWhitespace(before: index) }
    guard self[index - 1] == 0x0A, index > 1, self[index] & 0xC0 != 0x80 else { return false }
    return !ScalarClass.isWhitespace(scalar(at: index, end: count).value)
      && !isWhitespace(before: index - 1)
  }

  /// The last place in `range` where the text may be cut.
  func lastCut(in range: Range<Int>) -> Int? { range.last { isCut(at: $0) } }

  /// The first place in `range` where the text may be cut.
  func firstCut(in range: Range<Int>) -> Int? { range.first { isCut(at: $0) } }

  private func isWhitespace(before index: Int) -> Bool {
    let last = startOfScalar(before: index, start: 0)
    return ScalarClass.isWhitespace(scalar(at: last, end: index).value)
  }

  /// Calls `body` with consecutive parts of about `byteCount` bytes, cut where it does no harm.
  func forEachPart(byteCount: Int, _ body: (UTF8Text) -> Void) {
    var start = 0
    while start < count {
      let aim = start + byteCount
      let end = aim < count ? firstCut(in: aim..<count) ?? count : count
      body(UTF8Text(rebasing: self[start..<end]))
      start = end
    }
  }
}

/// Puts a text that arrives in parts together again, as far as the next place where it may be cut.
struct TextCutter: Sendable {
  private var pending: [UInt8] = []

  /// Takes the next part and hands on what may be used already.
  mutating func append(_ part: UTF8Text, _ body: (UTF8Text) -> Void) {
    let first = pending.count
    pending.append(contentsOf: part)
    let end = pending.withUnsafeBufferPointer { text -> Int in
      // What was there before has no cut, but its end may be one now.
      guard let cut = text.lastCut(in: Swift.max(first - 1, 0)..<text.count) else { return 0 }
      body(UTF8Text(rebasing: text[..<cut]))
      return cut
    }
    pending.removeSubrange(..<end)
  }

  /// Hands on the rest; the next part begins another text.
  mutating func finish(_ body: (UTF8Text) -> Void) {
    if !pending.isEmpty { pending.withUnsafeBufferPointer(body) }
    pending.removeAll(keepingCapacity: true)
  }
}
