import Tensor

/// Changes the bytes of files: blindly, in the numbers they hold, and in the words of their format.
struct FuzzMutator {
  /// Words of the format, which no blind change would hit on.
  let words: [[UInt8]]

  /// How the last line of a header in text begins; nil if the format has none.
  let headerEnd: [UInt8]?

  init(words: [String], headerEnd: String? = nil) {
    self.words = words.map { Array($0.utf8) }
    self.headerEnd = headerEnd.map { Array($0.utf8) }
  }

  /// `original` with a change or a few; `other` is a file to borrow from.
  ///
  /// Every second time a header in text stays: nearly every change of it is noticed there.
  func mutated(_ original: [UInt8], with other: [UInt8], _ random: inout Philox) -> [UInt8] {
    let start = random.below(2) == 0 ? bodyStart(of: original) : 0
    var bytes = Array(original[start...])
    let count = random.below(3) == 0 ? 2 + random.below(3) : 1
    for _ in 0..<count { change(&bytes, other, &random) }
    return Array((original[..<start] + bytes).prefix(Self.mostBytes))
  }

  /// The first byte behind a header in text; 0 without one.
  private func bodyStart(of bytes: [UInt8]) -> Int {
    guard let headerEnd,
      let line = bytes.indices.first(where: { bytes[$0...].starts(with: headerEnd) }),
      let end = bytes[line...].firstIndex(of: 0x0A)
    else { return 0 }
    return end + 1
  }

  /// Longer files find nothing that these do not, and take longer.
  private static let mostBytes = 1 << 14

  private func change(_ bytes: inout [UInt8], _ other: [UInt8], _ random: inout Philox) {
    switch random.below(12) {
    case 0: bytes = Array(bytes.prefix(random.below(bytes.count + 1)))
    case 1: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count + 1))
    case 2: bytes.removeSubrange(random.range(in: bytes))
    case 3: bytes.insert(contentsOf: bytes[random.range(in: bytes)], at: random.below(bytes.count))
    case 4, 5: setNumber(&bytes, &random)
    case 6: if let place = random.place(in: bytes) { bytes[place] ^= 1 << UInt8(random.below(8)) }
    case 7: insertWord(&bytes, &random)
    case 8, 9: setDigits(&bytes, &random)
    case 10:
      let (start, end) = (random.below(bytes.count + 1), random.below(other.count + 1))
      bytes = Array(bytes.prefix(start) + other.dropFirst(end))
    default:
      let range = random.range(in: bytes)
      bytes.replaceSubrange(range, with: [UInt8](repeating: bytes.first ?? 0, count: range.count))
    }
  }

  /// Numbers at the borders of their types, and those that readers believe to be sizes.
  private static let numbers: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 127, 128, 255, 256, 1000, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000,
    0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x7FF0_0000_0000_0000,
    0x7FF8_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max, 0x7F80_0000,
    0x7FC0_0000, 0xFF80_0000,
  ]

  /// Overwrites 1, 2, 4 or 8 bytes with a number, in either order.
  private func setNumber(_ bytes: inout [UInt8], _ random: inout Philox) {
    let width = 1 << random.below(4)
    guard bytes.count >= width else { return }
    let place = random.below(bytes.count - width + 1)
    let number = Self.numbers[random.below(Self.numbers.count)] &+ UInt64(random.below(2))
    let isBig = random.below(4) == 0
    for index in 0..<width {
      let shift = UInt64(8 * (isBig ? width - 1 - index : index))
      bytes[place + index] = UInt8(truncatingIfNeeded: number >> shift)
    }
  }

  private static let texts = [
    "0", "-1", "1", "3", "255", "65536", "16777216", "2147483647", "2147483648", "4294967295",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "nan", "-inf", "1e400",
    "-0", "0x1p3", "1.5", "00000000000000000001", "1e-400", "",
  ].map { Array($0.utf8) }

  /// Puts another number in the place of one that is written in digits.
  private func setDigits(_ bytes: inout [UInt8], _ random: inout Philox) {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard let from = random.place(in: bytes),
      let start = bytes[from...].firstIndex(where: isDigit)
    else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Self.texts[random.below(Self.texts.count)])
  }

  /// Inserts a word of the format, at the beginning of a line where there is one.
  private func insertWord(_ bytes: inout [UInt8], _ random: inout Philox) {
    guard !words.isEmpty else { return }
    let word = words[random.below(words.count)]
    let from = random.below(bytes.count + 1)
    guard random.below(4) > 0, let line = bytes[from...].firstIndex(of: 0x0A) else {
      return bytes.insert(contentsOf: word, at: from)
    }
    bytes.insert(contentsOf: word + [0x0A], at: line + 1)
  }
}

extension Philox {
  /// A number from 0 to `limit` − 1; 0 if there is none.
  mutating func below(_ limit: Int) -> Int { Int(nextWord() % UInt32(max(limit, 1))) }

  /// A place in `bytes`; nil if they are empty.
  mutating func place(in bytes: [UInt8]) -> Int? { bytes.isEmpty ? nil : below(bytes.count) }

  /// A part of `bytes`, mostly a short one.
  mutating func range(in bytes: [UInt8]) -> Range<Int> {
    let start = below(bytes.count + 1)
    let length = below(1 << (1 + below(8)))
    return start..<min(start + length, bytes.count)
  }
}
