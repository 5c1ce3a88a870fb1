import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  /// A file with a header of exactly this text.
  static func bytes(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + header.utf8 + data
  }

  static func open(_ bytes: [UInt8], _ folder: String) throws -> SafetensorsFile {
    let path = folder + "/x.safetensors"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try SafetensorsFile(path: path)
  }

  @Test func readsWhatItWrote() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let floats = Tensor<Float>([1, -2, .infinity, 0.1, 5, 6], shape: [2, 3])
      let ids = Tensor<Int64>([1, -1, .max], shape: [3])
      let empty = Tensor<Float>([], shape: [0, 4])
      let halves = Tensor<Float16>([0.5, 65504], shape: [2])
      let items = [
        SafetensorsItem("b.é", floats), SafetensorsItem("ids", ids),
        SafetensorsItem("empty", empty),
        SafetensorsItem("h", halves), SafetensorsItem("flag", Tensor<Bool>([true], shape: [])),
        SafetensorsItem("c", Tensor<BFloat16>([BFloat16(3)], shape: [1])),
        SafetensorsItem("u", Tensor<UInt8>([1, 2, 255], shape: [3])),
        SafetensorsItem("d", Tensor<Double>([0.1], shape: [1, 1])),
      ]
      try SafetensorsFile.write(items, metadata: ["k": "v\n", "a": ""], to: path)
      let file = try SafetensorsFile(path: path)
      #expect(file.names == ["d", "ids", "b.é", "empty", "c", "h", "flag", "u"])
      #expect(file.metadata == ["k": "v\n", "a": ""])
      #expect(try file.tensor(named: "b.é") == floats)
      #expect(try file.tensor(named: "ids", as: Int64.self) == ids)
      #expect(try file.tensor(named: "empty", shape: [0, 4]) == empty)
      #expect(try file.tensor(named: "h", as: Float16.self) == halves)
      #expect(try file.tensor(named: "h") == Tensor<Float>([0.5, 65504], shape: [2]))
      #expect(try file.tensor(named: "c") == Tensor<Float>([3], shape: [1]))
      #expect(try file.tensor(named: "flag", as: Bool.self).elements == [true])
      #expect(try file.tensor(named: "u", as: Int32.self).elements == [1, 2, 255])
      #expect(try file.tensor(named: "d").elements == [0.1])
      #expect(try file.tensor(named: "d", as: Double.self).elements == [0.1])
      #expect(throws: CheckpointError.self) { try file.tensor(named: "ids", as: Int32.self) }
      #expect(throws: CheckpointError.self) { try file.tensor(named: "d", as: Int64.self) }
      #expect(throws: CheckpointError.self) { try file.tensor(named: "h", as: BFloat16.self) }
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(bytes.prefix(8).reduce(0) { $0 + Int($1) } > 0 && bytes[0] % 8 == 0)
      try SafetensorsFile.write(items.reversed(), metadata: ["a": "", "k": "v\n"], to: path)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.safetensors"])
    }
  }

  @Test func tensorsOutliveTheFile() throws {
    let tensor = try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let values = (0..<10_000).map { Float($0) }
      try SafetensorsFile.write(["w": Tensor<Float>(values, shape: [100, 100])], to: path)
      return try SafetensorsFile(path: path).tensor(named: "w")
    }
    #expect(tensor.elements.last == 9999)
    var changed = tensor
    changed.withUnsafeMutableElements { $0[0] = 7 }
    #expect(tensor.elements.first == 0 && changed.elements.first == 7)
  }

  @Test func viewsAlignedDataAndCopiesOtherData() throws {
    try withTemporaryFolder { folder in
      for padding in 0..<8 {
        let header =
          #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
          + String(repeating: " ", count: padding)
        let values: [Float] = [1.5, -2]
        let data = values.flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        let file = try Self.open(Self.bytes(header, data), folder)
        let tensor = try file.tensor(named: "x", as: Float.self)
        #expect(tensor.elements == [1.5, -2])
        let isView = try file.withUnsafeBytes(of: "x") { bytes in
          tensor.withUnsafeElements { UnsafeRawPointer($0.baseAddress) == bytes.baseAddress }
        }
        #expect(isView == (header.utf8.count % 4 == 0))
      }
    }
  }

  @Test func convertsEveryStoredType() throws {
    let cases: [(String, [UInt8], Double)] = [
      ("I8", [0x80], -128), ("U8", [0x80], 128), ("I16", [0, 0x80], -32768),
      ("U16", [0, 0x80], 32768), ("I32", [0, 0, 0, 0x80], -2_147_483_648),
      ("U32", [0, 0, 0, 0x80], 2_147_483_648), ("I64", [1, 0, 0, 0, 0, 0, 0, 0], 1),
      ("U64", [0, 0, 0, 0, 0, 0, 0, 0x80], 9_223_372_036_854_775_808), ("BOOL", [1], 1),
      ("F16", [0x00, 0xC0], -2), ("BF16", [0x80, 0x3F], 1), ("F32", [0, 0, 0xC0, 0x3F], 1.5),
      ("F64", [0, 0, 0, 0, 0, 0, 0xF8, 0x3F], 1.5),
    ]
    try withTemporaryFolder { folder in
      for (type, data, value) in cases {
        let header = #"{"x":{"dtype":"\#(type)","shape":[],"data_offsets":[0,\#(data.count)]}}"#
        let file = try Self.open(Self.bytes(header, data), folder)
        #expect(try file.tensor(named: "x", as: Double.self).elements == [value], "\(type)")
        #expect(try file.tensor(named: "x").elements == [Float(value)], "\(type)")
        if !type.hasPrefix("F"), type != "BF16", type != "U64" {
          #expect(try file.tensor(named: "x", as: Int64.self).elements == [Int64(value)])
        }
      }
    }
  }

  @Test func refusesTypesByName() throws {
    try withTemporaryFolder { folder in
      let header = #"{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#
      let file = try Self.open(Self.bytes(header, [0]), folder)
      #expect(
        throws: CheckpointError.unsupportedType(path: file.path, tensor: "x", type: "F8_E4M3")
      ) {
        try file.tensor(named: "x")
      }
      let bool = #"{"x":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#
      let other = try Self.open(Self.bytes(bool, [2]), folder)
      #expect(throws: CheckpointError.self) { try other.tensor(named: "x", as: Bool.self) }
    }
  }

  @Test func errorsNameTheTensorAndNearNames() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let one = Tensor<Float>([1], shape: [1])
      let names = ["model.layers.0.weight", "model.layers.1.weight", "lm_head"]
      try SafetensorsFile.write(names.map { SafetensorsItem($0, one) }, to: path)
      let file = try SafetensorsFile(path: path)
      let missing = CheckpointError.missingTensor(
        path: path,
        name: "model.layer.0.weight",
        near: Array(names.prefix(2))
      )
      #expect(throws: missing) { try file.tensor(named: "model.layer.0.weight") }
      #expect("\(missing)".contains("near names: \"model.layers.0.weight\""))
      #expect(
        throws: CheckpointError.shapeMismatch(
          path: path,
          name: "lm_head",
          expected: [2, 1],
          found: [1]
        )
      ) {
        try file.tensor(named: "lm_head", shape: [2, 1])
      }
    }
  }

  @Test func faultsNameTheByte() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      #expect(
        throws: CheckpointError.json(
          path: path,
          JSONError(offset: 14, reason: .unexpectedByte(0x78, expected: "a string"))
        )
      ) {
        try Self.open(Self.bytes(#"{"x":{x}}"#), folder)
      }
      let short = Self.bytes(
        #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        [0, 0, 0, 0]
      )
      #expect(
        throws: CheckpointError.malformed(
          path: path,
          tensor: "x",
          offset: 9,
          reason: "4 bytes of data, [2] F32 needs 8"
        )
      ) {
        try Self.open(short, folder)
      }
    }
  }

  @Test func refusesRanksAndExtentsThatShapesCannotHold() throws {
    try withTemporaryFolder { folder in
      let deep = #"{"x":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#
      let file = try Self.open(Self.bytes(deep, [0]), folder)
      #expect(throws: CheckpointError.self) { try file.tensor(named: "x") }
      let wide = #"{"x":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#
      let other = try Self.open(Self.bytes(wide), folder)
      #expect(throws: CheckpointError.self) { try other.tensor(named: "x") }
    }
  }

  @Test(arguments: ["[0,576460752303423488]", "[0,4294967296,4294967296]", "[1,1,1,1,1,1,0]"])
  func describesNoTensorThatShapesCannotHold(_ extents: String) throws {
    try withTemporaryFolder { folder in
      let header = #"{"x":{"dtype":"U8","shape":\#(extents),"data_offsets":[0,0]}}"#
      let file = try Self.open(Self.bytes(header), folder)
      #expect(file["x"]?.shape == nil)
      #expect(try Checkpoint(path: file.path).describe("x") == nil)
      #expect(throws: CheckpointError.self) { try file.tensor(named: "x") }
    }
  }

  @Test(arguments: [1, 2, 3])
  func survivesMutations(_ seed: Int) throws {
    let small = Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try SafetensorsFile.write(
        [SafetensorsItem("a", small), SafetensorsItem("b", Tensor<UInt8>([1], shape: [1]))],
        metadata: ["k": "v"],
        to: path
      )
      let valid = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
      var mutations = Mutations(of: valid, seed: UInt64(seed))
      var accepted = 0
      for _ in 0..<2000 {
        try Data(mutations.next()).write(to: URL(fileURLWithPath: path))
        guard let file = try? SafetensorsFile(path: path, mode: .inMemory) else { continue }
        accepted += 1
        for name in file.names { _ = try? file.tensor(named: name, as: Double.self) }
      }
      #expect(accepted > 0)
    }
  }
}

/// Damaged copies of valid bytes, from a seeded generator.
struct Mutations {
  private let valid: [UInt8]
  private var state: UInt64

  init(of valid: [UInt8], seed: UInt64) {
    self.valid = valid
    state = seed
  }

  private mutating func random(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }

  mutating func next() -> [UInt8] {
    var bytes = valid
    for _ in 0...random(3) {
      let place = random(bytes.count)
      switch random(3) {
      case 0: bytes[place] = UInt8(random(256))
      case 1: bytes[place] ^= 1 << UInt8(random(8))
      default: bytes[place] = [0, 0xFF, 0x7F, 0x80, 0x30, 0x39][random(6)]
      }
    }
    switch random(8) {
    case 0: bytes.removeLast(random(bytes.count))
    case 1: bytes.append(contentsOf: repeatElement(0, count: random(40)))
    default: break
    }
    return bytes
  }
}
