import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

/// A case of a fixture file: its tensors, and what the file's metadata says about it.
struct FixtureCase: Sendable, CustomTestStringConvertible {
  let path: String
  /// What stands before the names of its tensors.
  let prefix: String
  let values: JSONValue

  var testDescription: String { prefix.isEmpty ? path : prefix }

  func has(_ name: String) throws -> Bool {
    try SafetensorsFile(path: path).names.contains(prefix + name)
  }

  func tensor(_ name: String) throws -> Tensor<Float> {
    try SafetensorsFile(path: path).tensor(named: prefix + name)
  }

  func integers(_ name: String) throws -> Tensor<Int32> {
    try SafetensorsFile(path: path).tensor(named: prefix + name, as: Int32.self)
  }

  func int(_ key: String) throws -> Int { try #require(values[key]?.intValue, "no '\(key)'") }

  func number(_ key: String) throws -> Double {
    try #require(values[key]?.doubleValue, "no '\(key)'")
  }

  func bool(_ key: String) -> Bool { values[key]?.boolValue ?? false }

  func text(_ key: String) throws -> String {
    try #require(values[key]?.stringValue, "no '\(key)'")
  }

  /// The scheme of the flexround files: bits, symmetry, rows or tensor, plain range or search.
  func scheme() throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: int("bits"), isSymmetric: bool("symmetric")),
      granularity: values["per"]?.stringValue == "tensor" ? .tensor : .outputChannel,
      range: bool("clip_search") ? .flexRoundSearch : .flexRound,
      scaleType: .float32
    )
  }

  /// The JSON object under a key of a file's metadata.
  static func document(_ path: String, _ key: String) -> JSONValue? {
    guard let file = try? SafetensorsFile(path: path) else { return nil }
    return try? JSONValue.parse(file.metadata[key] ?? "{}")
  }

  /// The cases of a file of the folder `flexround`.
  static func flexRound(_ name: String) -> [FixtureCase] {
    let path = Fixtures.file("flexround/\(name).safetensors")
    let cases = document(path, "description")?["cases"]?.arrayValue ?? []
    return cases.compactMap { value in
      value["case"]?.stringValue.map {
        FixtureCase(path: path, prefix: $0 + "/", values: value)
      }
    }
  }

  /// The cases of a file of the folder `peqa-adadim`.
  static func adaDim(_ name: String) -> [FixtureCase] {
    let path = Fixtures.file("peqa-adadim/\(name).safetensors")
    let cases = document(path, "case")?["cases"]?.arrayValue ?? []
    return cases.map { value in
      FixtureCase(path: path, prefix: value["prefix"]?.stringValue ?? "", values: value)
    }
  }

  /// The traces of the folder `flexround`, one case a file.
  static var traces: [FixtureCase] {
    Fixtures.names(in: "flexround", suffix: ".safetensors").filter { $0.hasPrefix("trace_") }
      .map { Fixtures.file("flexround/" + $0) }
      .compactMap { path in
        document(path, "description").map { FixtureCase(path: path, prefix: "", values: $0) }
      }
  }
}

/// Expects values within a share of the largest expected one.
func expectNear(
  _ found: Tensor<Float>,
  _ expected: Tensor<Float>,
  ofLargest share: Float,
  _ comment: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let largest = expected.count == 0 ? 0 : expected.abs().max()
  expectClose(
    found.elements,
    expected.elements,
    absolute: share * max(largest, 1e-12),
    comment,
    sourceLocation: sourceLocation
  )
}
