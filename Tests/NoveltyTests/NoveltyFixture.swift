import Checkpoints
import Tensor
import TestSupport
import Testing

/// A file of reference cases, and the cases that it holds.
struct NoveltyFixture {
  let file: SafetensorsFile
  let metadata: JSONValue

  init(_ name: String) throws {
    file = try SafetensorsFile(path: Fixtures.file("novelty/\(name).safetensors"))
    metadata = try JSONValue.parse(file.metadata["case"] ?? "{}")
  }

  /// The names in front of a suffix such as `.Z`.
  static func cases(_ name: String, suffix: String) -> [String] {
    let names = (try? NoveltyFixture(name))?.file.names ?? []
    return names.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }.sorted()
  }

  func tensor(_ name: String) throws -> Tensor<Float> { try file.tensor(named: name) }

  func numbers(_ name: String) throws -> [Float] { try tensor(name).elements }

  func integers(_ name: String) throws -> [Int32] {
    try file.tensor(named: name, as: Int32.self).elements
  }

  /// A number of a case's metadata.
  func number(_ item: String, _ key: String) throws -> Double {
    try #require(metadata["cases"]?[item]?[key]?.doubleValue, "\(item).\(key)")
  }
}
