import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct GGUFTests {
  private static func floats(_ values: [Float]) -> [UInt8] {
    values.flatMap { GGUFBytes.bytes($0.bitPattern) }
  }

  private static var sample: GGUFBytes {
    var writer = GGUFBytes()
    writer.add("general.architecture", string: "test")
    writer.add("u8", .uint8, [200])
    writer.add("i8", .int8, [200])
    writer.add("u64", .uint64, GGUFBytes.bytes(UInt64.max))
    writer.add("f32", .float32, GGUFBytes.bytes(Float(1e-5).bitPattern))
    writer.add("f64", .float64, GGUFBytes.bytes((0.1).bitPattern))
    writer.add("yes", .bool, [1])
    writer.add("bytes", .string, GGUFBytes.string([0xFF, 0x61]))
    writer.add("tokens", array: .string, [[0x61], [], [0xC3, 0xA9], [0xFF]].map(GGUFBytes.string))
    writer.add("scores", array: .float32, [1, -2].map { GGUFBytes.bytes(Float($0).bitPattern) })
    writer.add("kinds", array: .int32, [1, -1].map { GGUFBytes.bytes(Int32($0)) })
    writer.add("flags", array: .bool, [[1], [0]])
    writer.addTensor("a", .float32, dimensions: [3, 2], floats([1, 2, 3, 4, 5, 6]))
    writer.addTensor("h", .float16, dimensions: [2], [0x00, 0x3C, 0x00, 0xC0])
    writer.addTensor("b", .bfloat16, dimensions: [2], [0x80, 0x3F, 0x00, 0xC0])
    writer.addTensor("i", .int32, dimensions: [2], GGUFBytes.bytes(Int32(-7)) + [1, 0, 0, 0])
    // d = 1, codes 0 … 31 less 8: nibbles of byte j are 15 (low) and 0 (high).
    writer.addTensor(
      "q",
      .q4_0,
      dimensions: [32, 1],
      [0x00, 0x3C] + [UInt8](repeating: 0x0F, count: 16)
    )
    return writer
  }

  @Test(arguments: [2, 3] as [UInt32])
  func readsMetadata(_ version: UInt32) throws {
    try withTemporaryFolder { folder in
      var writer = Self.sample
      writer.version = version
      let file = try writer.open(folder + "/x.gguf")
      #expect(file.version == Int(version))
      #expect(file.architecture == "test")
      #expect(file.metadata.keys.prefix(3) == ["general.architecture", "u8", "i8"])
      #expect(try file.integer("u8") == 200)
      #expect(try file.integer("i8") == -56)
      #expect(file.metadata["u64"]?.integerValue == nil)
      #expect(file.metadata["u64"]?.jsonValue == nil)
      #expect(try file.float("f32") == 1e-5)
      #expect(file.metadata["f64"]?.doubleValue == 0.1)
      #expect(try file.bool("yes"))
      #expect(file.metadata["bytes"]?.bytesValue == [0xFF, 0x61])
      #expect(file.metadata["bytes"]?.stringValue == nil)
      let tokens = try #require(try file.array("tokens", of: .string).strings)
      #expect(Array(tokens) == [[0x61], [], [0xC3, 0xA9], [0xFF]])
      #expect(tokens.indices.map { tokens.string(at: $0) } == ["a", "", "é", nil])
      #expect(try file.array("scores", of: .float32).floats == [1, -2])
      #expect(try file.array("kinds", of: .int32).integers == [1, -1])
      #expect(file.metadata["kinds"]?.jsonValue == [1, -1])
      #expect(try file.array("flags", of: .bool).bools == [true, false])
    }
  }

  @Test func metadataOfAnotherTypeIsAnError() throws {
    try withTemporaryFolder { folder in
      let file = try Self.sample.open(folder + "/x.gguf")
      #expect(throws: CheckpointError.missingKey(path: file.path, key: "none")) {
        try file.integer("none")
      }
      #expect(
        throws: CheckpointError.keyType(
          path: file.path,
          key: "scores",
          expected: "array of int32",
          found: "array of float32"
        )
      ) {
        try file.array("scores", of: .int32)
      }
      #expect(throws: CheckpointError.self) { try file.integer("f32") }
      #expect(throws: CheckpointError.self) { try file.string("bytes") }
    }
  }

  @Test func readsTensorsOfEveryPlainType() throws {
    try withTemporaryFolder { folder in
      let file = try Self.sample.open(folder + "/x.gguf")
      #expect(file.names == ["a", "h", "b", "i", "q"])
      let a = try file.tensor(named: "a", shape: [2, 3])
      #expect(a.elements == [1, 2, 3, 4, 5, 6])
      let isView = try file.withUnsafeBytes(of: "a") { bytes in
        a.withUnsafeElements { UnsafeRawPointer($0.baseAddress) == bytes.baseAddress }
      }
      #expect(isView)
      #expect(try file.tensor(named: "h").elements == [1, -2])
      #expect(try file.tensor(named: "h", as: Float16.self).elements == [1, -2])
      #expect(try file.tensor(named: "b").elements == [1, -2])
      #expect(try file.tensor(named: "b", as: BFloat16.self).elements.map(Float.init) == [1, -2])
      #expect(try file.tensor(named: "i", as: Int32.self).elements == [-7, 1])
      #expect(try file.tensor(named: "i").elements == [-7, 1])
      let q = try file.tensor(named: "q")
      #expect(q.elements == [Float](repeating: 7, count: 16) + [Float](repeating: -8, count: 16))
      #expect(throws: CheckpointError.self) { try file.tensor(named: "q", as: Float16.self) }
      #expect(
        throws: CheckpointError.shapeMismatch(
          path: file.path,
          name: "a",
          expected: [3, 2],
          found: [2, 3]
        )
      ) {
        try file.tensor(named: "a", shape: [3, 2])
      }
      #expect(throws: CheckpointError.missingTensor(path: file.path, name: "ab", near: ["a", "b"]))
      {
        try file.tensor(named: "ab")
      }
    }
  }

  /// Every type code but the supported ones is refused by name or number.
  @Test func refusesOtherTypesByName() throws {
    let supported = Set(GGUFTensorType.allCases.map(\.rawValue))
    let valid = Self.sample.bytes
    let name = GGUFBytes.string([0x69]) + GGUFBytes.bytes(UInt32(1)) + GGUFBytes.bytes(UInt64(2))
    let place = try #require(
      valid.indices.first { valid[$0...].starts(with: name) }.map { $0 + name.count }
    )
    try withTemporaryFolder { folder in
      let path = folder + "/x.gguf"
      for code in (0..<64).map({ UInt32($0) }) where !supported.contains(code) {
        var bytes = valid
        bytes.replaceSubrange(place..<place + 4, with: GGUFBytes.bytes(code))
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect("code \(code)") {
          _ = try GGUFFile(path: path)
        } throws: { error in
          guard case CheckpointError.unsupportedType(_, "i", let type) = error else { return false }
          return type.contains("code \(code)")
        }
      }
    }
  }

  @Test func refusesOldQuantizationVersions() throws {
    try withTemporaryFolder { folder in
      var writer = Self.sample
      writer.add("general.quantization_version", .uint32, GGUFBytes.bytes(UInt32(1)))
      #expect(throws: CheckpointError.self) { try writer.open(folder + "/x.gguf") }
    }
  }

  /// Many blocks, so that the work is shared between threads, against one block at a time.
  @Test(arguments: GGUFTensorType.allCases.filter(\.isQuantized))
  func blocksDoNotDependOnEachOther(_ type: GGUFTensorType) throws {
    let count = 1031
    var state: UInt64 = 3
    let bytes = (0..<count * type.blockByteCount).map { _ -> UInt8 in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 40)
    }
    try withTemporaryFolder { folder in
      var all = GGUFBytes()
      all.add("general.architecture", string: "test")
      all.addTensor("x", type, dimensions: [count * type.blockCount], bytes)
      let values = try all.open(folder + "/all.gguf").tensor(named: "x").elements
      for index in [0, 1, 515, count - 1] {
        var one = GGUFBytes()
        one.add("general.architecture", string: "test")
        let range = index * type.blockByteCount..<(index + 1) * type.blockByteCount
        one.addTensor("x", type, dimensions: [type.blockCount], Array(bytes[range]))
        let block = try one.open(folder + "/one.gguf").tensor(named: "x").elements
        let slice = values[index * type.blockCount..<(index + 1) * type.blockCount]
        #expect(block.map(\.bitPattern) == slice.map(\.bitPattern))
      }
    }
  }

  @Test(arguments: [1, 2, 3])
  func survivesMutations(_ seed: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.gguf"
      var mutations = Mutations(of: Self.sample.bytes, seed: UInt64(seed))
      var accepted = 0
      for _ in 0..<2000 {
        try Data(mutations.next()).write(to: URL(fileURLWithPath: path))
        guard let file = try? GGUFFile(path: path, mode: .inMemory) else { continue }
        accepted += 1
        for name in file.names { _ = try? file.tensor(named: name) }
        for (_, value) in file.metadata { _ = value.jsonValue }
      }
      #expect(accepted > 0)
    }
  }
}
