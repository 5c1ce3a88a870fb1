import Checkpoints
import Tensor
import TestSupport
import Testing

/// Files that must load and files that must be refused, and the values of quantized blocks.
///
/// File names, shapes and values come from the fixtures themselves.
@Suite struct CheckpointsConformance {
  struct Malformed: CustomTestStringConvertible, Sendable {
    let folder: String
    let file: String
    let isAccepted: Bool
    let why: String
    var testDescription: String { "\(file): \(why)" }
    var path: String { Fixtures.file("\(folder)/\(file)") }
  }

  /// The entries of a folder's manifest.
  static func manifest(_ format: String) -> [Malformed] {
    let folder = "transformer/malformed/\(format)"
    let manifest = try? JSONValue.read(Fixtures.file("\(folder)/manifest.json"))
    return (manifest?.arrayValue ?? []).compactMap { entry in
      guard let file = entry["file"]?.stringValue, let expect = entry["expect"]?.stringValue else {
        return nil
      }
      return Malformed(
        folder: folder,
        file: file,
        isAccepted: expect == "accept",
        why: entry["why"]?.stringValue ?? ""
      )
    }
  }

  @Test(arguments: ["safetensors", "gguf"])
  func manifestListsEveryFile(_ format: String) throws {
    let manifest = Self.manifest(format)
    try #require(!manifest.isEmpty, "no fixtures under \(Fixtures.root)")
    let files = Fixtures.names(in: "transformer/malformed/\(format)", suffix: "." + format)
    #expect(manifest.map(\.file).sorted() == files)
    #expect(manifest.contains { $0.isAccepted } && manifest.contains { !$0.isAccepted })
  }

  @Test(arguments: manifest("safetensors"), [MappedFile.Mode.mapped, .inMemory])
  func safetensors(_ malformed: Malformed, _ mode: MappedFile.Mode) {
    expectOutcome(malformed) { () throws(CheckpointError) in
      let file = try SafetensorsFile(path: malformed.path, mode: mode)
      for entry in file.entries {
        let tensor = try file.tensor(named: entry.name, as: Float.self)
        #expect(tensor.shape.extents == entry.extents)
        #expect(tensor.count == entry.count)
      }
    }
  }

  @Test(arguments: manifest("gguf"), [MappedFile.Mode.mapped, .inMemory])
  func gguf(_ malformed: Malformed, _ mode: MappedFile.Mode) {
    expectOutcome(malformed) { () throws(CheckpointError) in
      let file = try GGUFFile(path: malformed.path, mode: mode)
      for entry in file.entries {
        let tensor = try file.tensor(named: entry.name)
        #expect(tensor.shape.extents == entry.extents)
        #expect(tensor.count == entry.count)
      }
      for (_, value) in file.metadata { _ = value.jsonValue }
    }
  }

  static let dequantization = "transformer/gguf/dequant.safetensors"

  /// The types whose blocks and values the fixture holds.
  static let blockTypes: [String] = {
    let file = try? SafetensorsFile(path: Fixtures.file(dequantization))
    let names = (file?.names ?? []).filter { $0.hasSuffix(".values") }
    return names.map { String($0.dropLast(".values".count)) }.sorted()
  }()

  @Test func dequantizationListsTypes() throws {
    try #require(!Self.blockTypes.isEmpty, "no fixture under \(Fixtures.root)")
    let known = Set(GGUFTensorType.allCases.filter(\.isQuantized).map(\.name))
    #expect(known.isSuperset(of: Self.blockTypes))
  }

  /// Raw blocks in a GGUF file become the very bits of the reference.
  @Test(arguments: blockTypes)
  func dequantization(_ name: String) throws {
    let fixture = try SafetensorsFile(path: Fixtures.file(Self.dequantization))
    let type = try #require(GGUFTensorType.allCases.first { $0.name == name })
    let expected = try fixture.tensor(named: name + ".values", as: Float.self)
    let bytes = try fixture.withUnsafeBytes(of: name + ".bytes") { Array($0) }
    var writer = GGUFBytes()
    writer.add("general.architecture", string: "test")
    writer.addTensor("x", type, dimensions: expected.shape.extents.reversed(), bytes)
    try withTemporaryFolder { folder in
      let found = try writer.open(folder + "/x.gguf").tensor(named: "x", shape: expected.shape)
      #expect(found.elements.map(\.bitPattern) == expected.elements.map(\.bitPattern))
    }
  }

  /// The types that the reference quantized numbers to.
  static let quantizedTypes: [String] = {
    let file = try? SafetensorsFile(path: Fixtures.file(dequantization))
    let names = (file?.names ?? []).filter { $0.hasPrefix("quantize.") && $0.hasSuffix(".input") }
    return names.map { String($0.dropFirst("quantize.".count).dropLast(".input".count)) }.sorted()
  }()

  /// What the reference quantized comes back within one step of the grid.
  @Test(arguments: quantizedTypes)
  func quantizedNumbersComeBack(_ name: String) throws {
    let fixture = try SafetensorsFile(path: Fixtures.file(Self.dequantization))
    let type = try #require(GGUFTensorType.allCases.first { $0.name == name })
    let input = try fixture.tensor(named: "quantize.\(name).input", as: Float.self)
    let bytes = try fixture.withUnsafeBytes(of: "quantize.\(name).bytes") { Array($0) }
    var writer = GGUFBytes()
    writer.add("general.architecture", string: "test")
    writer.addTensor("x", type, dimensions: input.shape.extents.reversed(), bytes)
    let found = try withTemporaryFolder { folder in
      try writer.open(folder + "/x.gguf").tensor(named: "x")
    }
    // Halves of 2⁻¹¹ and 2⁻⁸ of the value; of codes, one of 2ⁿ − 1 steps of the block's range.
    let bits = name.dropFirst().prefix(1)
    let steps = type.isQuantized ? Float(1 << (Int(bits) ?? 0)) - 1 : 0
    let values = input.elements
    for start in stride(from: 0, to: values.count, by: type.isQuantized ? 32 : 1) {
      let block = Array(values[start..<start + (type.isQuantized ? 32 : 1)])
      let largest = block.map(\.magnitude).max() ?? 0
      expectClose(
        Array(found.elements[start..<start + block.count]),
        block,
        relative: type.isQuantized ? 0 : name == "BF16" ? 0x1p-8 : 0x1p-11,
        absolute: type.isQuantized ? 2.02 * largest / steps : 0x1p-24,
        name
      )
    }
  }

  private func expectOutcome(
    _ malformed: Malformed,
    _ load: () throws(CheckpointError) -> Void
  ) {
    do {
      try load()
      #expect(malformed.isAccepted, "loaded, but must be refused: \(malformed.why)")
    } catch {
      #expect(!malformed.isAccepted, "refused, but must load: \(error)")
      #expect("\(error)".contains(malformed.file), "the error does not name the file: \(error)")
    }
  }
}
