import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// Arrays of bytes, plain and compressed by zlib in each of deflate's three kinds of blocks.
@Suite struct IDXTests {
  /// 2 × 3 bytes: 1, 2, 3, 250, 251, 252.
  static let plain: [UInt8] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 250, 251, 252]
  static let stored = "H4sIAAAAAAAAAwESAO3/AAAIAgAAAAIAAAADAQID+vv8ox0zjRIAAAA="
  /// With a file name in its header, and Huffman codes that the format fixes.
  static let fixed = "H4sICAAAAAAAA3NtYWxsLmlkeABjYOBgYmBgAGFmRibmX7//AACjHTONEgAAAA=="
  /// 50 × 60 bytes, (i² >> 5) mod 7 · 11, with Huffman codes of their own.
  static let dynamic =
    "H4sIAAAAAAAAA+3NIQ7DAAxDUauokrm5eVBJyFDuf6gtVaXicTuKPnzAeQC4fv/BPVKyqwfUhqoG3VDNxk0PCx71"
    + "5rliazZjttHmlDboEqfLIjaWSLyLFy9evHjx4sWLFy/eP94X01P1xcQLAAA="

  static func data(_ text: String) throws -> [UInt8] {
    [UInt8](try #require(Data(base64Encoded: text)))
  }

  static func read(_ bytes: [UInt8], first count: Int? = nil) throws -> Tensor<UInt8> {
    try withTemporaryFolder { folder in
      try AtomicFile.write(bytes, to: folder + "/a.idx")
      return try IDXFile.bytes(path: folder + "/a.idx", first: count)
    }
  }

  @Test(arguments: [nil, stored, fixed])
  func bytesComeInTheirShape(compressed: String?) throws {
    let found = try Self.read(compressed.map { try Self.data($0) } ?? Self.plain)
    #expect(found.shape == [2, 3])
    #expect(found.elements == [1, 2, 3, 250, 251, 252])
  }

  @Test(arguments: [nil, stored, fixed])
  func theFirstEntriesAreEnough(compressed: String?) throws {
    let bytes = try compressed.map { try Self.data($0) } ?? Self.plain
    let row = try Self.read(bytes, first: 1)
    #expect(row.shape == [1, 3])
    #expect(row.elements == [1, 2, 3])
    #expect(try Self.read(bytes, first: 0).shape == [0, 3])
    #expect(try Self.read(bytes, first: 9).shape == [2, 3])
    // What is not read must be there all the same.
    #expect(throws: CheckpointError.self) { try Self.read(Array(bytes.dropLast()), first: 1) }
  }

  @Test func ownHuffmanCodesAreRead() throws {
    let found = try Self.read(Self.data(Self.dynamic))
    #expect(found.shape == [50, 60])
    let expected = (0..<3000).map { (index: Int) in UInt8(((index * index) >> 5) % 7 * 11) }
    #expect(found.elements == expected)
  }

  @Test(arguments: [stored, fixed, dynamic])
  func everyCutIsNoticed(compressed: String) throws {
    let bytes = try Self.data(compressed)
    for count in 0..<bytes.count {
      #expect(throws: CheckpointError.self, "\(count) bytes") {
        try Self.read(Array(bytes.prefix(count)))
      }
    }
  }

  /// Only the time, the extra flags and the system in the header, the name, and what fills up bytes
  /// (the first of a stored block, the last of all) mean nothing.
  @Test(arguments: [(stored, 11), (fixed, 20), (dynamic, 10)])
  func everyChangedByteIsNoticed(compressed: String, dataStart: Int) throws {
    let bytes = try Self.data(compressed)
    let end = bytes.count - 8
    for place in [0, 1, 2] + Array(dataStart..<end - 1) + Array(end..<bytes.count) {
      var changed = bytes
      changed[place] ^= 0x10
      #expect(throws: CheckpointError.self, "byte \(place)") { try Self.read(changed) }
    }
  }

  @Test func bytesBehindTheEndAreNoticed() throws {
    let bytes = try Self.data(Self.stored)
    #expect(throws: CheckpointError.self) { try Self.read(bytes + bytes) }
    #expect(throws: CheckpointError.self) { try Self.read(Self.plain + [0]) }
  }

  @Test func announcedSizesAreNotTrusted() throws {
    var bytes = try Self.data(Self.stored)
    bytes.replaceSubrange((bytes.count - 4)..., with: [0xFF, 0xFF, 0xFF, 0x7F])
    let error = #expect(throws: CheckpointError.self) { try Self.read(bytes) }
    #expect(error?.description.contains("more than it can hold") == true)
    let large: [UInt8] = [0, 0, 8, 3] + [UInt8](repeating: 0xFF, count: 12)
    #expect(throws: CheckpointError.self) { try Self.read(large) }
  }

  @Test func otherNumbersAreRefusedByName() throws {
    var bytes = Self.plain
    bytes[2] = 0x0D
    let error = #expect(throws: CheckpointError.self) { try Self.read(bytes) }
    #expect(error?.description.contains("IDX 0xd") == true)
  }

  @Test(
    .enabled(
      if: DataFolder.has("images/mnist/t10k-labels-idx1-ubyte.gz"),
      "\(DataFolder.skipMessage("images/mnist"))"
    )
  )
  func theDigitsOfMNISTAreRead() throws {
    let labels = try IDXFile.bytes(path: DataFolder.path("images/mnist/t10k-labels-idx1-ubyte.gz"))
    let images = try IDXFile.bytes(path: DataFolder.path("images/mnist/t10k-images-idx3-ubyte.gz"))
    #expect(images.shape == [10_000, 28, 28])
    #expect(labels.shape == [10_000])
    #expect(Array(labels.elements.prefix(5)) == [7, 2, 1, 0, 4])
  }
}
