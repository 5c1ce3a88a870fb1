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
