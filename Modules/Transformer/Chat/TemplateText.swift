/// Texts as Python sees them: rows of Unicode scalars, without regard to what reads as a character.
///
/// Searching compares the bytes of UTF-8, in which no scalar begins inside another.
enum TemplateText {
  /// The bytes that a text may have.
  static let maximumLength = 16 << 20

  static func isSame(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
  }

  /// Whether a text comes before another by its scalars.
  static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  static func hasPrefix(_ text: String, _ prefix: String) -> Bool {
    text.utf8.starts(with: prefix.utf8)
  }

  static func hasSuffix(_ text: String, _ suffix: String) -> Bool {
    text.utf8.count >= suffix.utf8.count
      && text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  static func contains(_ text: String, _ part: String) -> Bool {
    part.isEmpty || !places(of: Array(part.utf8), in: Array(text.utf8), limit: 1).isEmpty
  }

  /// What Python takes for white space.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x9...0xD, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F,
      0x205F, 0x3000:
      true
    default: false
    }
  }

  private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0xA...0xD, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Where a part begins, without overlaps; from the left by Knuth, Morris and Pratt: the time
  /// grows with the sum of the lengths, whatever the texts are.
  static func places(of part: [UInt8], in text: [UInt8], limit: Int = .max) -> [Int] {
    guard !part.isEmpty, part.count <= text.count else { return [] }
    var borders = [0]
    var length = 0
    for byte in part.dropFirst() {
      while length > 0, part[length] != byte { length = borders[length - 1] }
      if part[length] == byte { length += 1 }
      borders.append(length)
    }
    var places: [Int] = []
    length = 0
    for (index, byte) in text.enumerated() where places.count < limit {
      while length > 0, part[length] != byte { length = borders[length - 1] }
      if part[length] == byte { length += 1 }
      if length == part.count {
        places.append(index + 1 - length)
        length = 0
      }
    }
    return places
  }

  /// The same from the right, the last place first.
  private static func lastPlaces(of part: [UInt8], in text: [UInt8], limit: Int) -> [Int] {
    places(of: part.reversed(), in: text.reversed(), limit: limit)
      .map { text.count - $0 - part.count }
  }

  /// Where a part begins, counted in scalars; nil if it does not occur.
  static func place(of part: String, in text: String, last: Bool = false) -> Int? {
    let bytes = Array(text.utf8)
    let place: Int?
    if part.isEmpty {
      place = last ? bytes.count : 0
    } else if last {
      place = lastPlaces(of: Array(part.utf8), in: bytes, limit: 1).first
    } else {
      place = places(of: Array(part.utf8), in: bytes, limit: 1).first
    }
    return place.map { bytes[..<$0].count { $0 & 0xC0 != 0x80 } }
  }

  /// The text with a part replaced, at most `limit` times; nil if it becomes too long.
  static func replaced(_ text: String, _ old: String, by new: String, limit: Int) -> String? {
    guard !old.isEmpty else { return spread(text, new, limit: limit) }
    let bytes = Array(text.utf8)
    let places = places(of: Array(old.utf8), in: bytes, limit: limit)
    let growth = max(new.utf8.count - old.utf8.count, 0)
    guard bytes.count + places.count * growth <= maximumLength else { return nil }
    var result: [UInt8] = []
    var start = 0
    for place in places {
      result.append(contentsOf: bytes[start..<place])
      result.append(contentsOf: new.utf8)
      start = place + old.utf8.count
    }
    result.append(contentsOf: bytes[start...])
    return String(decoding: result, as: UTF8.self)
  }

  /// The text with another before each scalar and at the end: what replacing nothing does.
  private static func spread(_ text: String, _ new: String, limit: Int) -> String? {
    let count = min(text.unicodeScalars.count + 1, limit)
    guard text.utf8.count + count * new.utf8.count <= maximumLength else { return nil }
    var result = ""
    for (index, scalar) in text.unicodeScalars.enumerated() {
      if index < count { result += new }
      result.unicodeScalars.append(scalar)
    }
    return text.unicodeScalars.count < count ? result + new : result
  }

  /// The parts between separators, at most `limit` of which cut, from the left or from the right.
  static func split(
    _ text: String,
    by separator: String,
    limit: Int,
    fromEnd: Bool
  ) -> [String] {
    let (bytes, mark) = (Array(text.utf8), Array(separator.utf8))
    let places =
      fromEnd
      ? lastPlaces(of: mark, in: bytes, limit: limit).reversed()
      : places(of: mark, in: bytes, limit: limit)
    var parts: [String] = []
    var start = 0
    for place in places {
      parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
      start = place + mark.count
    }
    return parts + [String(decoding: bytes[start...], as: UTF8.self)]
  }

  /// The words between white space; the last or first one keeps what `limit` leaves uncut.
  static func words(_ text: String, limit: Int, fromEnd: Bool) -> [String] {
    var rest = Array(text.unicodeScalars)
    if fromEnd { rest.reverse() }
    var words: [[Unicode.Scalar]] = []
    var tail = rest[...].drop(while: isSpace)
    while !tail.isEmpty, words.count < limit {
      let word = tail.prefix { !isSpace($0) }
      words.append(Array(word))
      tail = tail[word.endIndex...].drop(while: isSpace)
    }
    if !tail.isEmpty { words.append(Array(tail)) }
    if fromEnd { words = words.reversed().map { $0.reversed() } }
    return words.map { String(scalars: $0) }
  }

  static func lines(_ text: String, keepsEnds: Bool = false) -> [String] {
    let scalars = Array(text.unicodeScalars)
    var lines: [String] = []
    var (start, index) = (0, 0)
    while index < scalars.count {
      guard isLineEnd(scalars[index]) else {
        index += 1
        continue
      }
      let end = index
      index += 1
      if scalars[end] == "\r", index < scalars.count, scalars[index] == "\n" { index += 1 }
      lines.append(String(scalars: scalars[start..<(keepsEnds ? index : end)]))
      start = index
    }
    if start < scalars.count { lines.append(String(scalars: scalars[start...])) }
    return lines
  }

  /// The text without white space, or without the given scalars, at its ends.
  static func stripped(
    _ text: String,
    of marks: String? = nil,
    start: Bool = true,
    end: Bool = true
  ) -> String {
    let set = marks.map { Set($0.unicodeScalars) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? isSpace(scalar) }
    var rest = text.unicodeScalars[...]
    if start { rest = rest.drop(while: isStripped) }
    if end {
      while let last = rest.last, isStripped(last) { rest.removeLast() }
    }
    return String(rest)
  }
}

extension String {
  /// The text of Unicode scalars.
  init(scalars: some Sequence<Unicode.Scalar>) {
    var view = UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }
}
