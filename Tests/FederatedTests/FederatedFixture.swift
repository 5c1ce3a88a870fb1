import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Federated

/// A file of reference cases, and the cases that it holds.
struct FederatedFixture {
  let file: SafetensorsFile
  let metadata: JSONValue

  init(_ name: String) throws {
    file = try SafetensorsFile(path: Fixtures.file("federated/\(name).safetensors"))
    metadata = try JSONValue.parse(file.metadata["case"] ?? "{}")
  }

  /// The names in front of a suffix such as `.x`.
  static func cases(_ name: String, suffix: String) -> [String] {
    let names = (try? FederatedFixture(name))?.file.names ?? []
    return names.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }.sorted()
  }

  func tensor(_ name: String) throws -> Tensor<Float> { try file.tensor(named: name) }

  func numbers(_ name: String) throws -> [Float] { try tensor(name).elements }

  /// Row by row.
  func rows(_ name: String) throws -> [[Float]] {
    let tensor = try tensor(name)
    return (0..<tensor.shape[0]).map { tensor[$0].elements }
  }

  func integers(_ name: String) throws -> [Int32] {
    try file.tensor(named: name, as: Int32.self).elements
  }

  func words(_ name: String) throws -> [[UInt32]] {
    let tensor = try file.tensor(named: name, as: Int32.self)
    return (0..<tensor.shape[0]).map { row in
      tensor[row].elements.map { UInt32(bitPattern: $0) }
    }
  }

  func number(_ keys: String...) throws -> Double {
    var value: JSONValue? = metadata
    for key in keys { value = value?[key] }
    return try #require(value?.doubleValue, "\(keys)")
  }

  func list(_ key: String) throws -> [JSONValue] {
    try #require(metadata[key]?.arrayValue, "\(key)")
  }

  /// The tensors whose names begin with a prefix, without it, in the order of `names`.
  func parameters(_ prefix: String, names: [String]) throws -> ParameterSet {
    ParameterSet(try names.map { ($0, try tensor(prefix + $0)) })
  }

  /// The names behind a prefix.
  func names(after prefix: String) -> [String] {
    file.names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }
}

/// An update that covers everything.
func contribution(
  _ delta: ParameterSet,
  count: Int = 1,
  steps: Int = 1,
  client: Int = 0
) -> Contribution {
  Contribution(
    client: client,
    update: LiftedUpdate(delta: delta, coverage: .full(of: delta)),
    exampleCount: count,
    stepCount: steps
  )
}

/// A set of one vector `w`.
func vector(_ elements: [Float]) -> ParameterSet { ParameterSet([("w", Tensor(elements))]) }
