import Checkpoints
import Foundation
import Tensor

extension FuzzTarget {
  static let checkpoints = [json, safetensors, gguf, npy, npz, idx]

  /// JSON: what is written again reads the same.
  private static let json = FuzzTarget(
    name: "json",
    words: [
      "true", "false", "null", "\\u0000", "\\ud83d\\ude00", "1e308", "-0", "[[[[", "{\"a\":",
    ],
    seeds: {
      let texts = [
        #"{"a": [1, -2.5e-3, "é\n\u00e9", true, null, {}], "b": {"c": 9007199254740993}}"#,
        "[0, -0, 0.1, 1e22, 123456789012345678901234567890]",
      ]
      return try texts.map { Array($0.utf8) } + Samples.files("transformer/models", suffix: "json")
    }
  ) { bytes in
    let value = try JSONValue.parse(bytes)
    for isPretty in [false, true] {
      let again = try JSONValue.parse(value.serializedBytes(pretty: isPretty))
      demand(again == value, "written again it is another value")
    }
  }

  private static let safetensors = FuzzTarget(
    name: "safetensors",
    words: SafetensorsType.allCases.map { "\"" + $0.rawValue + "\"" } + [
      "__metadata__", "\"shape\":", "\"dtype\":", "\"data_offsets\":", "9223372036854775807",
    ],
    seeds: {
      try Samples.files("transformer/malformed/safetensors", prefix: "ok-")
        + [Scratch.bytes("seed") { try writeEveryType(to: $0) }]
    }
  ) { bytes in
    let path = Scratch.file("fuzz.safetensors", bytes)
    let file = try SafetensorsFile(path: path, mode: .inMemory)
    for name in file.names {
      touch { try file.tensor(named: name) as Tensor<Float> }
      touch { try file.tensor(named: name, as: Double.self) }
      touch { try file.tensor(named: name, as: Int32.self) }
      touch { try file.tensor(named: name, as: Int64.self) }
      touch { try file.tensor(named: name, as: UInt8.self) }
      touch { try file.tensor(named: name, as: Bool.self) }
    }
  }

  private static func writeEveryType(to path: String) throws {
    let floats = Tensor<Float>([1, -2, 0.5, 1e30], shape: [2, 2])
    try SafetensorsFile.write(
      [
        SafetensorsItem("f", floats), SafetensorsItem("h", Tensor<Float16>(converting: floats)),
        SafetensorsItem("b", Tensor<BFloat16>(converting: floats)),
        SafetensorsItem("i", Tensor<Int32>([1, -2, 3])), SafetensorsItem("u", Tensor<UInt8>([7])),
        SafetensorsItem("t", Tensor<Bool>([true, false])),
        SafetensorsItem("e", Tensor<Float>.zeros([0])),
      ],
      metadata: ["format": "pt"],
      to: path
    )
  }

  private static let gguf = FuzzTarget(
    name: "gguf",
    words: ["GGUF", "general.alignment", "general.architecture", "llama", "token_embd.weight"],
    seeds: {
      try Samples.files("transformer/malformed/gguf", prefix: "ok-")
        + Samples.files("transformer/gguf", suffix: ".gguf")
    }
  ) { bytes in
    let file = try GGUFFile(path: Scratch.file("fuzz.gguf", bytes), mode: .inMemory)
    for (_, value) in file.metadata { _ = value.jsonValue?.serialized() }
    for name in file.names {
      touch { try file.tensor(named: name) }
      touch { try file.tensor(named: name, as: Int32.self) }
      _ = file.describe(name)
      _ = try? file.weightMatrix(name)
      _ = try? file.interleavedMatrix(name, rowOrder: nil)
    }
  }

  private static let npy = FuzzTarget(
    name: "npy",
    words: [
      "'descr': ", "'fortran_order': True", "'shape': (", "'<f4'", "'>i8'", "'|u1'", "'<f2'",
    ],
    seeds: {
      struct Case: Decodable { var npy: Data }
      let cases = try JSONDecoder().decode(
        [Case].self,
        from: Data(Samples.file("flower/arrays.json"))
      )
      let own = try Scratch.bytes("seed") { path in
        try NPYFile.write(Tensor<Float>([1, 2, 3, 4], shape: [2, 2]), to: path)
      }
      return cases.map { [UInt8]($0.npy) }.filter { $0.count < 2000 } + [own]
    }
  ) { bytes in
    let file = try NPYFile(path: Scratch.file("fuzz.npy", bytes))
    touch { file.floats() }
    touch { try file.integers() }
  }

  private static let npz = FuzzTarget(
    name: "npz",
    words: ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "data.npy"],
    seeds: { [ArchiveSamples.npz] }
  ) { bytes in
    let file = try NPZFile(path: Scratch.file("fuzz.npz", bytes))
    for name in file.names {
      let array = try file.array(named: name)
      touch { array.floats() }
      touch { try array.integers() }
    }
  }

  private static let idx = FuzzTarget(
    name: "idx",
    seeds: {
      let plain: [UInt8] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
      return [plain, ArchiveSamples.gzip]
    }
  ) { bytes in
    let path = Scratch.file("fuzz.idx", bytes)
    touch { try IDXFile.bytes(path: path, first: 1) }
    touch { try IDXFile.bytes(path: path) }
  }
}

extension Samples {
  /// Labels of three points as nuScenes-panoptic has them.
  static func panopticLabels() -> [UInt8] { ArchiveSamples.npz }
}

/// Compressed files by others' tools.
private enum ArchiveSamples {
  private static func decoded(_ text: String) -> [UInt8] {
    [UInt8](Data(base64Encoded: text) ?? Data())
  }

  /// np.savez_compressed(data=np.array([17001, 24000, 30005], np.uint16)), by NumPy 2.4.
  static let npz = decoded(
    "UEsDBC0AAAAIAAAAIQDhw/Z8//////////8IABQAZGF0YS5ucHkBABAAhgAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6S"
      + "WpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAK5MpwOxpqUAUEsBAi0DLQAAAAgA"
      + "AAAhAOHD9nxKAAAAhgAAAAgAAAAAAAAAAAAAAIABAAAAAGRhdGEubnB5UEsFBgAAAAABAAEANgAAAIQAAAAAAA=="
  )

  /// An IDX file of [16 × 32] bytes by Python's gzip, with dynamic codes.
  static let gzip = decoded(
    "H4sIAAAAAAACAyWRWw4CQQgEGwgJnx7B+5/SqlGju8zQL0iuk3z4fZPK7g7/mclWxbvL1ORq96qrtjJna99cUZ+t"
      + "9DdMy81NLwxgAKXuaq5768RZZfvqZnuamubKvV4+FMimLUBA37u8Tk9JBhp9G1W/x9qe+aUdrzqufbYbIK9DY9ob"
      + "Th4Rjm7/iioXhrpbOXCNABI+DNBorFhaR415Nil0gEFZpV6dxDzokcDpaIHuxgeEbW0qpwPtH0a+8zgvt5Ka8PkG"
      + "Df5FJQMDM07eXsqhW8cwJRFjOscnneJuxIU4QGnaDWjghXFro9+30skPDM67HQwCAAA="
  )
}

/// Takes a tensor and reads its last element; a refusal is an answer.
func touch<Element>(_ tensor: () throws -> Tensor<Element>) {
  do {
    let tensor = try tensor()
    _ = tensor.withUnsafeElements { $0.last }
  } catch {
    demand(!"\(error)".isEmpty, "an error without a text")
  }
}
