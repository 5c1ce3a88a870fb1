import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// Files that `GGUFWriter` writes, byte by byte and through the reader.
@Suite struct GGUFWriterTests {
  private static let architecture: (key: String, value: GGUFField) = (
    "general.architecture", .string("test")
  )

  private func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path)))
  }

  /// The layout of the description, put together by hand.
  @Test(arguments: [8, 32, 64]) func bytesFollowTheDescription(alignment: Int) throws {
    var expected = GGUFBytes()
    expected.alignment = alignment
    expected.add("general.architecture", string: "test")
    expected.add("general.alignment", .uint32, GGUFBytes.bytes(UInt32(alignment)))
    expected.add("tokens", array: .string, [[0x61], [], [0xFF]].map(GGUFBytes.string))
    let floats: [Float] = [1, -2, 3, 4, 5, 6]
    expected.addTensor(
      "a",
      .float32,
      dimensions: [3, 2],
      floats.flatMap { GGUFBytes.bytes($0.bitPattern) }
    )
    let block = (0..<18).map { UInt8($0) }
    expected.addTensor("q", .q4_0, dimensions: [32, 1], block)
    try withTemporaryFolder { folder in
      let path = folder + "/x.gguf"
      let writer = try GGUFWriter(
        path: path,
        metadata: [
          Self.architecture, ("general.alignment", .uint32(UInt32(alignment))),
          ("tokens", .strings([[0x61], [], [0xFF]])),
        ],
        tensors: [
          GGUFDeclaration(name: "a", type: .float32, shape: [2, 3]),
          GGUFDeclaration(name: "q", type: .q4_0, shape: [1, 32]),
        ]
      )
      try writer.write(blocks: Tensor(block), named: "q")
      try writer.write(Tensor<Float>(floats, shape: [2, 3]), named: "a")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
      #expect(!FileManager.default.fileExists(atPath: path))
      try writer.finish()
      let found = try bytes(of: path)
      // The reference writer pads the last tensor too.
      let whole = expected.bytes
      let padding = [UInt8](repeating: 0, count: -whole.count & (alignment - 1))
      #expect(found == whole + padding)
      #expect(try GGUFFile(path: path).tensor(named: "a").elements == floats)
    }
  }

  @Test func everyTypeOfValueIsReadBack() throws {
    let metadata: [(key: String, value: GGUFField)] = [
      Self.architecture, ("u8", .uint8(200)), ("i8", .int8(-56)), ("u16", .uint16(65_535)),
      ("i16", .int16(-300)), ("u32", .uint32(4_000_000_000)), ("i32", .int32(-7)),
      ("u64", .uint64(.max)), ("i64", .int64(.min)), ("f32", .float32(1e-5)),
      ("f64", .float64(0.1)), ("yes", .bool(true)), ("bytes", .string([0xFF, 0x61])),
      ("floats", .floats([1, -2])), ("integers", .integers([3, -4])),
      ("bools", .bools([true, false])), ("strings", .strings([[], [0xC3, 0xA9]])),
    ]
    try withTemporaryFolder { folder in
      let path = folder + "/x.gguf"
      try GGUFWriter(path: path, metadata: metadata, tensors: []).finish()
      let file = try GGUFFile(path: path)
      #expect(file.version == 3)
      #expect(file.metadata.keys == metadata.map(\.key))
      #expect(try file.integer("u32") == 4_000_000_000)
      #expect(try file.integer("i64") == .min)
      #expect(file.metadata["f64"]?.doubleValue == 0.1)
      #expect(file.metadata["integers"]?.arrayValue?.integers == [3, -4])
      #expect(file.metadata["bools"]?.arrayValue?.bools == [true, false])
      for (key, value) in file.metadata {
        #expect(metadata.contains { $0.key == key && $0.value == GGUFField(value) }, "\(key)")
      }
    }
  }

  /// Files of the Python package `gguf`: what is read of them, written again, is the same bytes.
  @Test(arguments: Fixtures.names(in: "transformer/gguf", suffix: ".gguf"))
  func filesOfTheReferenceWriterComeOutTheSame(name: String) throws {
    let path = Fixtures.file("transformer/gguf/" + name)
    let file = try GGUFFile(path: path)
    try withTemporaryFolder { folder in
      let copy = folder + "/copy.gguf"
      let writer = try GGUFWriter(
        path: copy,
        metadata: file.metadata.map { ($0.key, GGUFField($0.value)) },
        tensors: file.entries.map {
          GGUFDeclaration(name: $0.name, type: $0.type, shape: Shape($0.extents))
        }
      )
      for entry in file.entries {
        switch entry.type {
        case .float32: try writer.write(try file.tensor(named: entry.name), named: entry.name)
        case .float16:
          try writer.write(
            try file.tensor(named: entry.name, as: Float16.self),
            named: entry.name
          )
        case .bfloat16:
          try writer.write(
            try file.tensor(named: entry.name, as: BFloat16.self),
            named: entry.name
          )
        default:
          let blocks = try file.withUnsafeBytes(of: entry.name) { Tensor(Array($0)) }
          try writer.write(blocks: blocks, named: entry.name)
        }
      }
      try writer.finish()
      #expect(try bytes(of: copy) == bytes(of: path))
    }
  }

  @Test(
    arguments: [
      ([("a", .float32, [2]), ("a", .float32, [2])], "is declared twice"),
      ([("q", .q4_K, [2, 288])], "Q4_K needs a multiple of 256"),
      ([("a", .float32, [])], "1 to 4 extents"),
      ([("a", .float32, [2, 0])], "extents above 0"),
      ([("", .float32, [2])], "1 to 63 bytes"),
      ([(String(repeating: "n", count: 64), .float32, [2])], "1 to 63 bytes"),
    ] as [([(String, GGUFTensorType, [Int])], String)]
  )
  func tensorsThatNoReaderTakesAreRefused(
    tensors: [(String, GGUFTensorType, [Int])],
    reason: String
  ) throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: CheckpointError.self) {
        try GGUFWriter(
          path: folder + "/x.gguf",
          metadata: [Self.architecture],
          tensors: tensors.map { GGUFDeclaration(name: $0.0, type: $0.1, shape: Shape($0.2)) }
        )
      }
      let text = "\(try #require(error))"
      #expect(text.contains(reason), "\(text)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }

  @Test(
    arguments: [
      ([], "no metadata key"), ([("general.architecture", .uint32(1))], "expected a string"),
      ([("general.architecture", .string("a")), ("é", .bool(true))], "not ASCII"),
      ([("general.architecture", .string("a")), ("general.architecture", .bool(true))], "twice"),
      (
        [("general.architecture", .string("a")), ("general.alignment", .uint32(24))],
        "power of two"
      ),
    ] as [([(String, GGUFField)], String)]
  )
  func keysThatNoReaderTakesAreRefused(keys: [(String, GGUFField)], reason: String) throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: CheckpointError.self) {
        try GGUFWriter(
          path: folder + "/x.gguf",
          metadata: keys.map { ($0.0, $0.1) },
          tensors: []
        )
      }
      let text = "\(try #require(error))"
      #expect(text.contains(reason), "\(text)")
    }
  }

  @Test func anUnwrittenTensorLeavesNoFile() throws {
    try withTemporaryFolder { folder in
      let writer = try GGUFWriter(
        path: folder + "/x.gguf",
        metadata: [Self.architecture],
        tensors: [GGUFDeclaration(name: "a", type: .float32, shape: [2])]
      )
      #expect(throws: CheckpointError.self) {
        try writer.write(Tensor<Float>([1, 2]), named: "b")
      }
      #expect(throws: CheckpointError.self) { try writer.finish() }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }
}
