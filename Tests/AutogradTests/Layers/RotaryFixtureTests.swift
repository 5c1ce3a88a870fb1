import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Frequencies as transformers computes them; see the note beside the files.
@Suite struct RotaryFixtureTests {
  @Test(arguments: Fixtures.names(in: "rotary", suffix: ".safetensors"))
  func frequenciesAreEqualToTheLastBit(_ name: String) throws {
    let file = try SafetensorsFile(path: Fixtures.file("rotary/" + name))
    let cases = try #require(
      file.metadata["case"].flatMap { try JSONValue.parse($0).objectValue }
    )
    #expect(cases.keys.count > 2)
    for name in cases.keys {
      func number(_ key: String) throws -> Float {
        Float(try #require(cases[name]?[key]?.doubleValue))
      }
      let embedding = RotaryEmbedding(
        headWidth: try #require(cases[name]?["width"]?.intValue),
        base: try number("base"),
        scaling: .llama3(
          factor: try number("factor"),
          lowFrequencyFactor: try number("low"),
          highFrequencyFactor: try number("high"),
          originalLength: try number("length")
        )
      )
      let wanted = try file.tensor(named: name, as: Float.self)
      #expect(embedding.frequencies == wanted.elements, "\(name)")
    }
  }
}
