/// A place in an answer: two or four numbers, and where they stand.
struct AnswerMatch {
  let kind: AnswerKind
  let numbers: [Double]
  let range: Range<Int>
}

/// Applies the rules of `AnswerParser` to the answer in a text.
struct AnswerScanner {
  let text: AnswerText
  let range: Range<Int>

  init(_ text: AnswerText) {
    self.text = text
    range = text.answer
  }

  /// In the order in which they are tried.
  private var rules: [(Int) -> AnswerMatch?] {
    [boxToken, pointTag, keyed, named, pairs, quad, pair]
  }

  /// The first match of the first rule that has one.
  var firstMatch: AnswerMatch? {
    for rule in rules {
      if let match = matches(of: rule, limit: 1).first { return match }
    }
    return bare
  }

  /// The first match, unless places of the text that do not overlap match too.
  var onlyMatch: AnswerMatch? {
    guard let first = firstMatch, first.kind != .bare else { return firstMatch }
    let all = rules.flatMap { matches(of: $0, limit: .max) }.map(\.range)
    var end = Int.min
    var places = 0
    for range in all.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound >= end { places += 1 }
      end = max(end, range.upperBound)
    }
    return places == 1 ? first : nil
  }

  private func matches(of rule: (Int) -> AnswerMatch?, limit: Int) -> [AnswerMatch] {
    var matches: [AnswerMatch] = []
    var place = range.lowerBound
    while place < range.upperBound, matches.count < limit {
      if mayBegin(text.bytes[place]), let match = rule(place) {
        matches.append(match)
        place = match.range.upperBound
      } else {
        place += 1
      }
    }
    return matches
  }
}

/// Whether any rule begins with a byte: most of a text is passed over at once.
private func mayBegin(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "<"), UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "x"),
    UInt8(ascii: "X"), UInt8(ascii: "c"), UInt8(ascii: "p"), UInt8(ascii: "b"),
    UInt8(ascii: "s"):
    true
  default: false
  }
}

// MARK: - Rules

extension AnswerScanner {
  /// `<|box_start|>(x, y)<|box_end|>`, with two or four numbers.
  private func boxToken(at start: Int) -> AnswerMatch? {
    guard text.matches(AnswerWord.boxStart, at: start) else { return nil }
    // At most four numbers are looked at, so a missing end costs nothing.
    var place = start + AnswerWord.boxStart.count
    var numbers: [Double] = []
    while place < range.upperBound, !text.matches(AnswerWord.boxEnd, at: place) {
      if text.matches(AnswerWord.boxStart, at: place) { return nil }
      if let (number, end) = number(at: place) {
        numbers.append(number)
        guard numbers.count <= 4 else { return nil }
        place = end
      } else {
        place += 1
      }
    }
    guard place < range.upperBound, numbers.count == 2 || numbers.count == 4 else { return nil }
    let end = place + AnswerWord.boxEnd.count
    guard end <= range.upperBound else { return nil }
    return AnswerMatch(kind: .boxToken, numbers: numbers, range: start..<end)
  }

  /// `<point x="1" y="2">` or `<point>1 2</point>`.
  private func pointTag(at start: Int) -> AnswerMatch? {
    guard text.matches(AnswerWord.point, at: start) else { return nil }
    let inside = start + AnswerWord.point.count
    var tagEnd = inside
    while tagEnd < range.upperBound, text.bytes[tagEnd] != AnswerByte.greater,
      text.bytes[tagEnd] != AnswerByte.less
    {
      tagEnd += 1
    }
    guard tagEnd < range.upperBound, text.bytes[tagEnd] == AnswerByte.greater else { return nil }
    let tag = inside..<tagEnd
    if let x = attribute(AnswerWord.x, in: tag), let y = attribute(AnswerWord.y, in: tag) {
      return AnswerMatch(kind: .pointTag, numbers: [x, y], range: start..<tagEnd + 1)
    }
    guard tagEnd == inside else { return nil }
    return pointContent(start, from: tagEnd + 1)
  }

  private func pointContent(_ start: Int, from content: Int) -> AnswerMatch? {
    var place = skipBlanks(content)
    if isOpening(place) { place = skipBlanks(place + 1) }
    guard let (x, afterX) = number(at: place), let separator = skipSeparator(afterX),
      let (y, afterY) = number(at: separator)
    else { return nil }
    place = skipBlanks(afterY)
    if isClosing(place) { place = skipBlanks(place + 1) }
    let end = place + AnswerWord.pointEnd.count
    guard end <= range.upperBound, text.matches(AnswerWord.pointEnd, at: place) else { return nil }
    return AnswerMatch(kind: .pointTag, numbers: [x, y], range: start..<end)
  }

  /// The value of an attribute, or of the same with a 1 behind its name.
  private func attribute(_ name: UInt8, in tag: Range<Int>) -> Double? {
    for start in tag.dropFirst() where text.bytes[start] == name {
      guard isBlank(text.bytes[start - 1]) else { continue }
      var place = start + 1
      if place < tag.upperBound, text.bytes[place] == AnswerByte.one { place += 1 }
      place = skipBlanks(place)
      guard byte(place) == AnswerByte.equals else { continue }
      if let (number, _) = number(at: skipQuotes(skipBlanks(place + 1))) { return number }
    }
    return nil
  }

  /// `"coordinate": [1, 2]`, `start_box='(1,2)'`.
  private func keyed(at start: Int) -> AnswerMatch? {
    guard isWordStart(start) else { return nil }
    for key in AnswerWord.keys where text.matches(key, at: start) {
      guard !isWordByte(start + key.count) else { continue }
      var place = skipBlanks(skipQuotes(start + key.count))
      guard byte(place) == AnswerByte.colon || byte(place) == AnswerByte.equals else { return nil }
      place = skipBlanks(skipQuotes(skipBlanks(place + 1)))
      place = skipBlanks(skipSpecialToken(place))
      guard let list = pairOfPairs(at: place) ?? list(at: place) else { return nil }
      return AnswerMatch(kind: .keyed, numbers: list.numbers, range: start..<list.end)
    }
    return nil
  }

  /// `x=1, y=2`, `"x": 1, "y": 2`.
  private func named(at start: Int) -> AnswerMatch? {
    guard isWordStart(start), let (x, afterX) = scalar(AnswerWord.x, at: start) else { return nil }
    var place = afterX
    while place < range.upperBound, isFiller(text.bytes[place]) { place += 1 }
    guard place > afterX, let (y, end) = scalar(AnswerWord.y, at: place) else { return nil }
    return AnswerMatch(kind: .named, numbers: [x, y], range: start..<end)
  }

  private func scalar(_ name: UInt8, at start: Int) -> (Double, Int)? {
    // The lower-case letter or the capital.
    guard let byte = byte(start), byte | 0x20 == name else { return nil }
    let place = skipBlanks(skipQuotes(start + 1))
    guard self.byte(place) == AnswerByte.colon || self.byte(place) == AnswerByte.equals else {
      return nil
    }
    return number(at: skipQuotes(skipBlanks(place + 1)))
  }

  private func pairs(at start: Int) -> AnswerMatch? {
    pairOfPairs(at: start).map {
      AnswerMatch(kind: .pairs, numbers: $0.numbers, range: start..<$0.end)
    }
  }

  private func quad(at start: Int) -> AnswerMatch? {
    guard let list = list(at: start), list.numbers.count == 4 else { return nil }
    return AnswerMatch(kind: .quad, numbers: list.numbers, range: start..<list.end)
  }

  private func pair(at start: Int) -> AnswerMatch? {
    guard let list = list(at: start), list.numbers.count == 2 else { return nil }
    return AnswerMatch(kind: .pair, numbers: list.numbers, range: start..<list.end)
  }

  /// The whole answer is `1, 2` or `1 2`, tokens such as `<|im_end|>` aside.
  private var bare: AnswerMatch? {
    var place = skipBlanks(range.lowerBound)
    while skipSpecialToken(place) > place { place = skipBlanks(skipSpecialToken(place)) }
    guard let (x, afterX) = number(at: place), let separator = skipSeparator(afterX),
      let (y, afterY) = number(at: separator)
    else { return nil }
    var end = skipBlanks(afterY)
    while skipSpecialToken(end) > end { end = skipBlanks(skipSpecialToken(end)) }
    guard end == range.upperBound else { return nil }
    return AnswerMatch(kind: .bare, numbers: [x, y], range: range)
  }
}
