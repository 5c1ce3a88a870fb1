import Foundation
import ImageFiles
import Tensor
import Testing

/// Files with several things wrong at once: an error that says so, or an image of its size.
///
/// `APUS_MUTATIONS` is how many each sample gets instead of 300.
@Suite struct DamagedImageTests {
  static let mutations =
    ProcessInfo.processInfo.environment["APUS_MUTATIONS"].flatMap { Int($0) } ?? 300
  private static let pixelLimit = 1 << 16

  @Test(.timeLimit(.minutes(10)), arguments: Samples.readable)
  func damageIsAnErrorOrAnImage(text: String) throws {
    let valid = try Samples.bytes(text)
    var random = Philox(seed: UInt64(valid.count))
    var refusals = 0
    for _ in 0..<Self.mutations {
      if try isRefused(Self.mutated(valid, &random)) { refusals += 1 }
    }
    #expect(refusals > Self.mutations / 20)
  }

  /// Checksums stop nearly all damage of a PNG file; with new ones it reaches what lies behind.
  @Test(
    .timeLimit(.minutes(10)),
    arguments: Samples.readable.filter { $0.hasPrefix("iVBOR") }
  )
  func damageWithRightChecksumsIsAnErrorOrAnImage(text: String) throws {
    let valid = try PNGChunks(Samples.bytes(text))
    #expect(try !isRefused(valid.bytes))
    var random = Philox(seed: 3)
    for _ in 0..<Self.mutations {
      var damaged = valid
      damaged.mutate(&random)
      _ = try isRefused(damaged.bytes)
    }
  }

  /// Whether the decoder throws; an image must be one of its size.
  private func isRefused(_ bytes: [UInt8]) throws -> Bool {
    do throws(ImageFileError) {
      let image = try DecodedImage(bytes: bytes, pixelLimit: Self.pixelLimit)
      #expect(image.pixels.count == image.width * image.height * image.channels)
      #expect(image.width * image.height <= Self.pixelLimit)
      return false
    } catch {
      #expect(error.description.count > "image: ".count)
      return true
    }
  }

  /// A few bytes changed, some taken out, repeated or put in from elsewhere.
  static func mutated(_ valid: [UInt8], _ random: inout Philox) -> [UInt8] {
    var bytes = valid
    for _ in 0...random.integer(below: 4) {
      let place = random.integer(below: max(bytes.count, 1))
      guard place < bytes.count else { break }
      let end = min(bytes.count, place + 1 + random.integer(below: 16))
      switch random.integer(below: 6) {
      case 0: bytes[place] = UInt8(random.integer(below: 256))
      case 1: bytes[place] ^= 1 << UInt8(random.integer(below: 8))
      case 2: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.integer(below: 5)]
      case 3: bytes.removeSubrange(place..<end)
      case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
      default: bytes.removeSubrange(random.integer(below: 8) == 0 ? place... : end...)
      }
    }
    return bytes
  }
}

/// The chunks of a PNG file, whose checksums are made new.
private struct PNGChunks {
  private var chunks: [(name: [UInt8], data: [UInt8])] = []

  init(_ bytes: [UInt8]) {
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      let data = place + 8
      guard data + length + 4 <= bytes.count else { break }
      chunks.append((Array(bytes[place + 4..<data]), Array(bytes[data..<data + length])))
      place = data + length + 4
    }
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    for (name, data) in chunks {
      bytes += Self.bigEndian(UInt32(data.count)) + name + data
      bytes += Self.bigEndian(Self.checksum(name + data))
    }
    return bytes
  }

  mutating func mutate(_ random: inout Philox) {
    let index = random.integer(below: chunks.count)
    switch random.integer(below: 8) {
    case 0: chunks.remove(at: index)
    case 1: chunks.insert(chunks[random.integer(below: chunks.count)], at: index)
    case 2: chunks.swapAt(index, random.integer(below: chunks.count))
    default: chunks[index].data = DamagedImageTests.mutated(chunks[index].data, &random)
    }
    if chunks.isEmpty { chunks = [(Array("IEND".utf8), [])] }
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
  }

  /// CRC-32, bit by bit.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
