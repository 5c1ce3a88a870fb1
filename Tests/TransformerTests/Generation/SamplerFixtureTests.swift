import Checkpoints
import Tensor
import TestSupport
import Testing
import Transformer

/// Probabilities after transformers' processors and warpers; see the note beside the files.
@Suite struct SamplerFixtureTests {
  @Test(arguments: Fixtures.names(in: "sampling", suffix: ".safetensors"))
  func probabilitiesAreThoseOfTransformers(_ name: String) throws {
    let file = try SafetensorsFile(path: Fixtures.file("sampling/" + name))
    let cases = try #require(
      file.metadata["case"].flatMap { try JSONValue.parse($0).objectValue }
    )
    #expect(!cases.keys.isEmpty)
    for name in cases.keys {
      let options = try #require(cases[name])
      func number(_ key: String) -> Float? { options[key]?.doubleValue.map { Float($0) } }
      let sampler = Sampler(
        SamplingOptions(
          temperature: try #require(number("temperature")),
          topK: options["topK"]?.intValue,
          topP: number("topP"),
          minP: number("minP"),
          repetitionPenalty: number("repetitionPenalty") ?? 1
        ),
        prompt: (options["prompt"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
      )
      let logits = try file.tensor(named: name + ".logits", as: Float.self)
      let wanted = try file.tensor(named: name + ".probabilities", as: Float.self)
      let found = sampler.probabilities(logits)
      expectClose(found.elements, wanted.elements, relative: 2e-5, absolute: 1e-8)
      let support = zip(found.elements, wanted.elements).allSatisfy { ($0 > 0) == ($1 > 0) }
      #expect(support, "\(name): other tokens are left")
    }
  }
}
