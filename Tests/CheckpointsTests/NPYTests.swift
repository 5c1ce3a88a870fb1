import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// Files as NumPy writes them.
@Suite struct NPYTests {
  /// A file of version 1, its header filled up as NumPy does.
  static func file(_ header: String, _ elements: [UInt8]) -> [UInt8] {
    var text = Array(header.utf8)
    while (10 + text.count + 1) % 64 != 0 { text.append(0x20) }
    text.append(0x0A)
    let count = [UInt8(text.count & 255), UInt8(text.count >> 8)]
    return [0x93] + Array("NUMPY".utf8) + [1, 0] + count + text + elements
  }

  static func header(_ type: String, _ shape: String, isColumnMajor: Bool = false) -> String {
    "{'descr': '\(type)', 'fortran_order': \(isColumnMajor ? "True" : "False"), "
      + "'shape': \(shape), }"
  }

  static func read(_ bytes: [UInt8]) throws -> NPYFile {
    try withTemporaryFolder { folder in
      try AtomicFile.write(bytes, to: folder + "/a.npy")
      return try NPYFile(path: folder + "/a.npy")
    }
  }

  static func bytes(_ hex: String) -> [UInt8] {
    stride(from: 0, to: hex.count, by: 2).compactMap { place in
      UInt8(hex.dropFirst(place).prefix(2), radix: 16)
    }
  }

  /// np.array([[1, 2.5, -3], [4, 5, 6]], "<f4").
  static let floats = file(
    header("<f4", "(2, 3)"),
    bytes("0000803f00002040000040c0000080400000a0400000c040")
  )

  @Test func floatsComeInTheirShape() throws {
    let found = try Self.read(Self.floats)
    #expect(found.shape == [2, 3])
    #expect(found.type == "<f4")
    #expect(found.floats().elements == [1, 2.5, -3, 4, 5, 6])
  }

  /// np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)).
  @Test func columnsFirstAndBigEndianNumbersAreTurned() throws {
    let found = try Self.read(
      Self.file(
        Self.header(">f8", "(2, 3)", isColumnMajor: true),
        Self.bytes(
          "000000000000000040080000000000003ff00000000000004010000000000000"
            + "40000000000000004014000000000000"
        )
      )
    )
    #expect(found.floats().elements == [0, 1, 2, 3, 4, 5])
    #expect(try found.integers().elements == [0, 1, 2, 3, 4, 5])
  }

  @Test func everyTypeOfNumberIsRead() throws {
    let long = try Self.read(
      Self.file(
        Self.header("<i8", "(3,)"),
        Self.bytes("0100000000000000feffffffffffffff0300000000000000")
      )
    )
    #expect(try long.integers().elements == [1, -2, 3])
    #expect(long.floats().elements == [1, -2, 3])
    let half = try Self.read(Self.file(Self.header("<f2", "(2,)"), Self.bytes("003e00b4")))
    #expect(half.floats().elements == [1.5, -0.25])
    #expect(throws: CheckpointError.self) { try half.integers() }
    let byte = try Self.read(Self.file(Self.header("|u1", "(2,)"), [0, 255]))
    #expect(byte.floats().elements == [0, 255])
    let truth = try Self.read(Self.file(Self.header("|b1", "(2,)"), [1, 0]))
    #expect(try truth.integers().elements == [1, 0])
    let scalar = try Self.read(Self.file(Self.header("|i1", "()"), [0xFE]))
    #expect(scalar.floats().elements == [-2])
    #expect(scalar.shape == [])
  }

  @Test func everyCutIsNoticed() throws {
    for count in 0..<Self.floats.count {
      #expect(throws: CheckpointError.self, "\(count) bytes") {
        try Self.read(Array(Self.floats.prefix(count)))
      }
    }
    #expect(throws: CheckpointError.self) { try Self.read(Self.floats + [0]) }
  }

  @Test func changedBytesGiveAnArrayOrAnError() throws {
    for place in 0..<Self.floats.count {
      for flip: UInt8 in [0x01, 0x08, 0x80] {
        var changed = Self.floats
        changed[place] ^= flip
        if let found = try? Self.read(changed) { #expect(found.floats().count <= 24) }
      }
    }
  }

  @Test(
    arguments: [
      (header("<c8", "(1,)"), "NPY <c8"), (header("|O", "(1,)"), "NPY |O"),
      ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "record"),
      (header("<f4", "(4611686018427387904, 4611686018427387904)"), "too large"),
      (header("<f4", "(99999999999999999999,)"), "number is missing"),
      ("{'descr': '<f4', 'shape': (1,), }", "not type and shape"),
      ("{'descr': '<f4', 'descr': '<f4', }", "twice"),
    ]
  )
  func whatIsNotReadIsNamed(header: String, reason: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try Self.read(Self.file(header, [0, 0, 0, 0]))
    }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func whatIsWrittenIsWhatNumPyWrites() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.npy"
      try NPYFile.write(Tensor([1, 2.5, -3, 4, 5, 6], shape: [2, 3]), to: path)
      #expect(try Data(contentsOf: URL(filePath: path)) == Data(Self.floats))
      for shape: Shape in [[], [5], [0, 4], [2, 3, 4]] {
        var generator = Philox(seed: 1)
        let tensor = Tensor<Float>.normal(shape, using: &generator)
        try NPYFile.write(tensor, to: path)
        let found = try NPYFile(path: path)
        #expect(found.shape == shape && found.floats().elements == tensor.elements)
      }
      #expect(throws: CheckpointError.self) {
        try NPYFile.write(.zeros([1]), to: folder + "/no/a.npy")
      }
    }
  }
}
