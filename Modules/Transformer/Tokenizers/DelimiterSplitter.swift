/// Turns the matches of a delimiter within one piece into smaller pieces.
///
/// The five behaviors are those of the Hugging Face library; for `a--b` with the delimiter `-`:
/// removed `a b`, isolated `a - - b`, contiguous `a -- b`, merged with previous `a- - b`, merged
/// with next `a - -b`.
struct DelimiterSplitter {
  private let behavior: PreTokenizer.DelimiterBehavior
  private let whole: Range<Int>
  /// Alternating stretches: text or delimiter.
  private var stretches: [(range: Range<Int>, isMatch: Bool)] = []
  private var position: Int

  init(_ behavior: PreTokenizer.DelimiterBehavior, _ whole: Range<Int>) {
    self.behavior = behavior
    self.whole = whole
    position = whole.lowerBound
  }

  /// Reports the next match, left to right.
  mutating func match(_ range: Range<Int>) {
    if position < range.lowerBound { stretches.append((position..<range.lowerBound, false)) }
    stretches.append((range, true))
    position = range.upperBound
  }

  /// Reports every occurrence of `delimiter`.
  mutating func splitLiteral(_ text: UTF8Text, _ delimiter: [UInt8]) {
    guard let first = delimiter.first else { return }
    var index = whole.lowerBound
    while index + delimiter.count <= whole.upperBound {
      if text[index] == first, text[index..<index + delimiter.count].elementsEqual(delimiter) {
        match(index..<index + delimiter.count)
        index += delimiter.count
      } else {
        index += 1
      }
    }
  }

  /// Appends the pieces.
  mutating func finish(into pieces: inout [Range<Int>]) {
    if position < whole.upperBound { stretches.append((position..<whole.upperBound, false)) }
    switch behavior {
    case .removed:
      for stretch in stretches where !stretch.isMatch { pieces.append(stretch.range) }
    case .isolated:
      for stretch in stretches { pieces.append(stretch.range) }
    case .contiguous:
      mergeEqual(into: &pieces)
    case .mergedWithPrevious:
      mergeWithPrevious(into: &pieces)
    case .mergedWithNext:
      mergeWithNext(into: &pieces)
    }
  }

  private func mergeEqual(into pieces: inout [Range<Int>]) {
    var previous: Bool?
    for (range, isMatch) in stretches {
      if isMatch == previous, let last = pieces.popLast() {
        pieces.append(last.lowerBound..<range.upperBound)
      } else {
        pieces.append(range)
      }
      previous = isMatch
    }
  }

  private func mergeWithPrevious(into pieces: inout [Range<Int>]) {
    var wasMatch = true
    for (range, isMatch) in stretches {
      if isMatch && !wasMatch, let last = pieces.popLast() {
        pieces.append(last.lowerBound..<range.upperBound)
      } else {
        pieces.append(range)
      }
      wasMatch = isMatch
    }
  }

  private func mergeWithNext(into pieces: inout [Range<Int>]) {
    for index in stretches.indices {
      let (range, isMatch) = stretches[index]
      if !isMatch, index > 0, stretches[index - 1].isMatch, let last = pieces.popLast() {
        pieces.append(last.lowerBound..<range.upperBound)
      } else {
        pieces.append(range)
      }
    }
  }
}
