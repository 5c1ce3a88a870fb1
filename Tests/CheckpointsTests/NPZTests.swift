import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// Archives as NumPy 2.4 writes them.
@Suite struct NPZTests {
  static func bytes(_ base64: String) throws -> [UInt8] {
    Array(try #require(Data(base64Encoded: base64)))
  }

  /// np.savez(a=np.arange(4, dtype="<f4").reshape(2, 2), b=np.array([7], dtype=">i8")).
  static let stored = """
    UEsDBC0AAAAAAAAAIQCR9Ofb//////////8FABQAYS5ucHkBABAAkAAAAAAAAACQAAAAAAAAAJNOVU1QWQEAdgB7\
    J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCAyKSwgfSAgICAgICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAgD8AAABAAABA\
    QFBLAwQtAAAAAAAAACEAgdP1iv//////////BQAUAGIubnB5AQAQAIgAAAAAAAAAiAAAAAAAAACTTlVNUFkBAHYA\
    eydkZXNjcic6ICc+aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgAAAAAAAAAHUEsBAi0D\
    LQAAAAAAAAAhAJH059uQAAAAkAAAAAUAAAAAAAAAAAAAAIABAAAAAGEubnB5UEsBAi0DLQAAAAAAAAAhAIHT9YqI\
    AAAAiAAAAAUAAAAAAAAAAAAAAIABxwAAAGIubnB5UEsFBgAAAAACAAIAZgAAAIYBAAAAAA==
    """

  /// np.savez_compressed(data=np.tile(np.array([17001, 17001, 24000, 0], "u2"), 64),
  /// other=np.float32([0.5])).
  static let compressed = """
    UEsDBC0AAAAIAAAAIQDZD446//////////8IABQAZGF0YS5ucHkBABAAgAIAAAAAAABSAAAAAAAAAJvsF+obEMnIUMZQrZ6S\
    WpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkamZjqaOgq1CmQDrkynTKcDsQwMo/TIpAFQSwME\
    LQAAAAgAAAAhABqu1Ej//////////wkAFABvdGhlci5ucHkBABAAhAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxc\
    pG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6mjoKtQoUAC4GBgZ7AFBLAQItAy0AAAAIAAAAIQDZ\
    D446UgAAAIACAAAIAAAAAAAAAAAAAACAAQAAAABkYXRhLm5weVBLAQItAy0AAAAIAAAAIQAartRISAAAAIQAAAAJAAAAAAAA\
    AAAAAACAAYwAAABvdGhlci5ucHlQSwUGAAAAAAIAAgBtAAAADwEAAAAA
    """

  static func with<Result>(
    _ bytes: [UInt8],
    _ body: (String) throws -> Result
  ) throws -> Result {
    try withTemporaryFolder { folder in
      try AtomicFile.write(bytes, to: folder + "/a.npz")
      return try body(folder + "/a.npz")
    }
  }

  @Test func storedArraysAreRead() throws {
    try Self.with(Self.bytes(Self.stored)) { path in
      let archive = try NPZFile(path: path)
      #expect(archive.names == ["a", "b"])
      let first = try archive.array(named: "a")
      #expect(first.shape == [2, 2] && first.floats().elements == [0, 1, 2, 3])
      #expect(try archive.array(named: "b").integers().elements == [7])
    }
  }

  @Test func compressedArraysAreRead() throws {
    // A comment behind the directory is allowed; it moves its end away from the end of the file.
    var commented = try Self.bytes(Self.compressed)
    commented[commented.count - 2] = 5
    for bytes in [try Self.bytes(Self.compressed), commented + Array("hello".utf8)] {
      try Self.with(bytes) { path in
        let archive = try NPZFile(path: path)
        #expect(archive.names == ["data", "other"])
        let data = try archive.array(named: "data").integers().elements
        #expect(data == (0..<256).map { [17_001, 17_001, 24_000, 0][$0 % 4] })
        #expect(try archive.array(named: "other").floats().elements == [0.5])
        let error = #expect(throws: CheckpointError.self) { try archive.array(named: "dato") }
        #expect("\(error as Any)".contains("data"))
      }
    }
  }

  @Test(arguments: [stored, compressed])
  func everyCutIsNoticed(_ text: String) throws {
    let bytes = try Self.bytes(text)
    for count in 0..<bytes.count {
      #expect(throws: CheckpointError.self, "\(count) bytes") {
        try Self.with(Array(bytes.prefix(count))) { try NPZFile(path: $0) }
      }
    }
  }

  /// Members are checked by their sum, so what is changed is noticed or does not matter.
  @Test(arguments: [stored, compressed])
  func changedBytesGiveTheArraysOrAnError(_ text: String) throws {
    let bytes = try Self.bytes(text)
    let whole = try Self.with(bytes, Self.sums)
    for place in bytes.indices {
      for flip: UInt8 in [0x01, 0x10, 0xFF] {
        var changed = bytes
        changed[place] ^= flip
        guard let sums = try? Self.with(changed, Self.sums) else { continue }
        #expect(sums.allSatisfy(whole.contains), "byte \(place)")
      }
    }
  }

  /// The sum of each array.
  private static func sums(_ path: String) throws -> [Float] {
    let archive = try NPZFile(path: path)
    return try archive.names.map { try archive.array(named: $0).floats().elements.reduce(0, +) }
  }

  @Test func whatIsNotReadIsNamed() throws {
    let bytes = try Self.bytes(Self.stored)
    let entry = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
    let changes: [(offset: Int, values: [UInt8], text: String)] = [
      (8, [1], "encrypted"), (10, [12], "method 12"), (24, [0xFF, 0xFF, 0xFF, 0xFF], "ZIP64"),
      (24, [0xFF, 0xFF, 0xFF, 0x7F], "cannot hold"), (42, [3], "no member there"),
      (16, [0], "checksum"),
    ]
    for (offset, values, text) in changes {
      var changed = bytes
      changed.replaceSubrange(entry + offset..<entry + offset + values.count, with: values)
      let error = #expect(throws: CheckpointError.self) { try Self.with(changed, Self.sums) }
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
    }
  }
}
