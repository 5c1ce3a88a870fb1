/// A decoder of deflate: blocks of literals and of copies of earlier bytes, in Huffman codes.
///
/// - Source: RFC 1951.
struct DeflateDecoder {
  /// What is wrong with the data.
  struct Damage: Error {
    let reason: String
    static let cutOff = Damage(reason: "the compressed data is cut off")
    static let badCode = Damage(reason: "the compressed data holds an impossible code")
    static let tooLong = Damage(reason: "the compressed data is longer than it announces")
  }

  private let input: UnsafeRawBufferPointer
  private let output: UnsafeMutableBufferPointer<UInt8>
  /// The next byte of the input.
  private(set) var position = 0
  private var written = 0
  private var bits: UInt64 = 0
  private var bitCount = 0

  init(input: UnsafeRawBufferPointer, output: UnsafeMutableBufferPointer<UInt8>) {
    self.input = input
    self.output = output
  }

  /// Decodes all blocks, which must fill the output.
  mutating func run() throws(Damage) {
    var isLast = false
    while !isLast {
      isLast = try take(1) == 1
      switch try take(2) {
      case 0: try copyStored()
      case 1: try decode(Self.fixedLiterals, Self.fixedDistances)
      case 2:
        let (literals, distances) = try readTables()
        try decode(literals, distances)
      default: throw .badCode
      }
    }
    guard written == output.count else {
      throw Damage(reason: "\(written) bytes, the file announces \(output.count)")
    }
    guard position - bitCount / 8 == input.count else {
      throw Damage(reason: "the compressed data ends before its bytes do: more than one member?")
    }
  }

  // MARK: - Bits, lowest first

  private mutating func fill() {
    while bitCount <= 48, position < input.count {
      bits |= UInt64(input[position]) << UInt64(bitCount)
      position += 1
      bitCount += 8
    }
  }

  private mutating func take(_ count: Int) throws(Damage) -> Int {
    if bitCount < count {
      fill()
      guard bitCount >= count else { throw .cutOff }
    }
    let value = Int(bits & ((1 << UInt64(count)) - 1))
    bits >>= UInt64(count)
    bitCount -= count
    return value
  }

  private mutating func symbol(_ table: HuffmanTable) throws(Damage) -> Int {
    if bitCount < 15 { fill() }
    let entry = table.entries[Int(bits & 0x7FFF)]
    let length = Int(entry & 15)
    guard length > 0 else { throw .badCode }
    guard length <= bitCount else { throw .cutOff }
    bits >>= UInt64(length)
    bitCount -= length
    return Int(entry >> 4)
  }

  // MARK: - Blocks

  private mutating func copyStored() throws(Damage) {
    _ = try take(bitCount % 8)
    let length = try take(16)
    guard try take(16) == length ^ 0xFFFF else { throw .badCode }
    guard written + length <= output.count else { throw .tooLong }
    for _ in 0..<length {
      output[written] = UInt8(try take(8))
      written += 1
    }
  }

  private mutating func decode(
    _ literals: HuffmanTable,
    _ distances: HuffmanTable
  ) throws(Damage) {
    while true {
      let code = try symbol(literals)
      if code < 256 {
        guard written < output.count else { throw .tooLong }
        output[written] = UInt8(code)
        written += 1
        continue
      }
      if code == 256 { return }
      guard code < 286 else { throw .badCode }
      let length = try Self.lengths[code - 257] + take(Self.lengthBits[code - 257])
      let place = try symbol(distances)
      guard place < 30 else { throw .badCode }
      let distance = try Self.distances[place] + take(Self.distanceBits[place])
      guard distance <= written else { throw .badCode }
      guard written + length <= output.count else { throw .tooLong }
      // One by one: a copy may reach into what it writes.
      for index in written..<written + length { output[index] = output[index - distance] }
      written += length
    }
  }

  /// The codes of a block that brings its own: their lengths are Huffman-coded as well.
  private mutating func readTables() throws(Damage) -> (HuffmanTable, HuffmanTable) {
    let literalCount = try take(5) + 257
    let distanceCount = try take(5) + 1
    let lengthCount = try take(4) + 4
    var codeLengths = [Int](repeating: 0, count: 19)
    for index in 0..<lengthCount { codeLengths[Self.lengthOrder[index]] = try take(3) }
    let table = try HuffmanTable(codeLengths)
    var found: [Int] = []
    while found.count < literalCount + distanceCount {
      let code = try symbol(table)
      if code < 16 {
        found.append(code)
        continue
      }
      guard code > 16 || !found.isEmpty else { throw .badCode }
      let repeated = code == 16 ? found[found.count - 1] : 0
      let count = try code == 16 ? 3 + take(2) : code == 17 ? 3 + take(3) : 11 + take(7)
      found += [Int](repeating: repeated, count: count)
    }
    guard found.count == literalCount + distanceCount else { throw .badCode }
    return (
      try HuffmanTable(Array(found[..<literalCount])),
      try HuffmanTable(Array(found[literalCount...]))
    )
  }

  // MARK: - Tables of RFC 1951, section 3.2.5 to 3.2.7

  private static let lengthOrder = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
  ]
  private static let lengths = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
  ]
  private static let lengthBits = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
  ]
  private static let distances = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
    3073, 4097, 6145, 8193, 12289, 16385, 24577,
  ]
  private static let distanceBits = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
  ]
  private static let fixedLiterals = HuffmanTable(
    complete: (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }
  )
  private static let fixedDistances = HuffmanTable(complete: [Int](repeating: 5, count: 32))
}

/// A canonical Huffman code of at most 15 bits as a table: the next 15 bits of the input give the
/// symbol (times 16) and the length of its code.
private struct HuffmanTable {
  /// 0 where no code begins so.
  let entries: [UInt16]

  /// The code with the given lengths of its symbols, 0 for those that do not occur.
  init(_ lengths: [Int]) throws(DeflateDecoder.Damage) {
    // A code with more words than there is room for is damage; with fewer, only what is unused fails.
    let room = lengths.reduce(0) { $0 + ($1 > 0 ? 1 << (15 - $1) : 0) }
    guard room <= 1 << 15 else { throw .badCode }
    self.init(complete: lengths)
  }

  /// A code that is known to fit.
  init(complete lengths: [Int]) {
    var entries = [UInt16](repeating: 0, count: 1 << 15)
    var code = 0
    for length in 1...15 {
      for (symbol, own) in lengths.enumerated() where own == length {
        // Codes are sent highest bit first, everything else lowest first.
        let reversed = (0..<length).reduce(0) { $0 | (code >> $1 & 1) << (length - 1 - $1) }
        let entry = UInt16(symbol << 4 | length)
        for place in stride(from: reversed, to: 1 << 15, by: 1 << length) {
          entries[place] = entry
        }
        code += 1
      }
      code <<= 1
    }
    self.entries = entries
  }
}
