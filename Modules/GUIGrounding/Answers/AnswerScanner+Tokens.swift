/// The words of the formats.
enum AnswerWord {
  static let boxStart = Array("<|box_start|>".utf8)
  static let boxEnd = Array("<|box_end|>".utf8)
  static let point = Array("<point".utf8)
  static let pointEnd = Array("</point>".utf8)
  static let x = UInt8(ascii: "x")
  static let y = UInt8(ascii: "y")
  /// Keys before which no longer key begins the same way.
  static let keys: [[UInt8]] = [
    "coordinates", "coordinate", "point_2d", "point", "bbox_2d", "bbox", "box", "position",
    "start_box",
  ].map { Array($0.utf8) }
}

/// Single bytes of the formats.
enum AnswerByte {
  static let less = UInt8(ascii: "<")
  static let greater = UInt8(ascii: ">")
  static let bar = UInt8(ascii: "|")
  static let colon = UInt8(ascii: ":")
  static let equals = UInt8(ascii: "=")
  static let comma = UInt8(ascii: ",")
  static let one = UInt8(ascii: "1")
  static let minus = UInt8(ascii: "-")
  static let period = UInt8(ascii: ".")
  static let underscore = UInt8(ascii: "_")
  static let backslash = UInt8(ascii: "\\")
}

extension AnswerScanner {
  /// The byte at an offset of the answer; nil behind it.
  func byte(_ place: Int) -> UInt8? { place < range.upperBound ? text.bytes[place] : nil }

  func skipBlanks(_ place: Int) -> Int { skip(place, while: isBlank) }

  func skipQuotes(_ place: Int) -> Int { skip(place, while: isQuote) }

  private func skip(_ place: Int, while condition: (UInt8) -> Bool) -> Int {
    var place = place
    while let byte = byte(place), condition(byte) { place += 1 }
    return place
  }

  /// Behind a token such as `<|im_end|>`, if there is one.
  func skipSpecialToken(_ place: Int) -> Int {
    guard byte(place) == AnswerByte.less, byte(place + 1) == AnswerByte.bar else { return place }
    var end = place + 2
    while let byte = byte(end), isWord(byte) { end += 1 }
    guard byte(end) == AnswerByte.bar, byte(end + 1) == AnswerByte.greater else { return place }
    return end + 2
  }

  /// Behind what separates two numbers: a comma, blanks or both; nil without any.
  func skipSeparator(_ place: Int) -> Int? {
    var end = skipBlanks(place)
    if byte(end) == AnswerByte.comma { end = skipBlanks(end + 1) }
    return end > place ? end : nil
  }

  /// A decimal number: `-?\d+(\.\d+)?`.
  func number(at start: Int) -> (Double, Int)? {
    var end = start
    if byte(end) == AnswerByte.minus { end += 1 }
    let digits = end
    while let byte = byte(end), isDigit(byte) { end += 1 }
    guard end > digits else { return nil }
    if byte(end) == AnswerByte.period, let next = byte(end + 1), isDigit(next) {
      end += 1
      while let byte = byte(end), isDigit(byte) { end += 1 }
    }
    // Too many digits give infinity.
    let written = String(decoding: text.bytes[start..<end], as: UTF8.self)
    guard let number = Double(written), number.isFinite else { return nil }
    return (number, end)
  }

  /// Two or four numbers between brackets.
  func list(at start: Int) -> (numbers: [Double], end: Int)? {
    guard isOpening(start) else { return nil }
    var numbers: [Double] = []
    var place = skipBlanks(start + 1)
    while let (number, end) = number(at: place) {
      numbers.append(number)
      guard numbers.count <= 4 else { return nil }
      let next = skipBlanks(end)
      if isClosing(next) {
        return numbers.count == 2 || numbers.count == 4 ? (numbers, next + 1) : nil
      }
      guard let separator = skipSeparator(end) else { return nil }
      place = separator
    }
    return nil
  }

  /// Two lists of two numbers side by side: the corners of a box.
  func pairOfPairs(at start: Int) -> (numbers: [Double], end: Int)? {
    guard let first = list(at: start), first.numbers.count == 2 else { return nil }
    let next = skipSeparator(first.end) ?? first.end
    guard let second = list(at: next), second.numbers.count == 2 else { return nil }
    return (first.numbers + second.numbers, second.end)
  }

  func isOpening(_ place: Int) -> Bool {
    byte(place) == UInt8(ascii: "(") || byte(place) == UInt8(ascii: "[")
  }

  func isClosing(_ place: Int) -> Bool {
    byte(place) == UInt8(ascii: ")") || byte(place) == UInt8(ascii: "]")
  }

  /// Whether no word reaches over an offset from before.
  func isWordStart(_ place: Int) -> Bool {
    place == range.lowerBound || !isWord(text.bytes[place - 1])
  }

  /// Whether a word goes on at an offset.
  func isWordByte(_ place: Int) -> Bool { byte(place).map(isWord) ?? false }

  /// What may stand between two named scalars.
  func isFiller(_ byte: UInt8) -> Bool {
    isBlank(byte) || isQuote(byte) || byte == AnswerByte.comma || byte == UInt8(ascii: ";")
  }

  private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private func isWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == AnswerByte.underscore
  }

  private func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == AnswerByte.backslash
  }
}
