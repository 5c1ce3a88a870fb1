import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// Every case of `tokenizers-training` below the fixtures root: vocabularies that the Hugging Face
/// tokenizers library has learned.
@Suite struct BytePairTrainingConformance {
  static let names = Fixtures.names(in: "tokenizers-training", suffix: ".json")

  @Test func theSetIsThere() {
    #expect(!Self.names.isEmpty, "no cases below \(Fixtures.root)")
  }

  @Test(arguments: names)
  func tokensMergesAndIdsAreExact(_ name: String) throws {
    let json = try JSONValue.read(Fixtures.file("tokenizers-training/" + name))
    let vocabulary = try Self.learned(json)
    let tokens = try #require(json["tokens"]?.arrayValue).map { try #require($0.stringValue) }
    #expect(vocabulary.tokens.map { Array($0.utf8) } == tokens.map { Array($0.utf8) })
    let merges = try #require(json["merges"]?.arrayValue).map { try TokenizerCases.ids($0) }
    #expect(vocabulary.merges.map { [$0.left, $0.right] } == merges)

    let tokenizer = try vocabulary.tokenizer()
    for sample in try #require(json["samples"]?.arrayValue) {
      let text = try #require(sample["text"]?.stringValue)
      let ids = try TokenizerCases.ids(sample["ids"])
      #expect(tokenizer.encode(text) == ids, "\(name): \(text.debugDescription)")
    }
  }

  private static func learned(_ json: JSONValue) throws -> BytePairVocabulary {
    var options = BytePairOptions(
      vocabularyCount: try #require(json["vocabulary"]?.intValue),
      specialTokens: try #require(json["special_tokens"]?.arrayValue).compactMap(\.stringValue),
      pattern: try #require(json["pattern"]?.stringValue.flatMap { PreTokenPattern(rawValue: $0) })
    )
    options.minimumFrequency = try #require(json["minimum_frequency"]?.intValue)
    options.maximumTokenLength = json["maximum_token_length"]?.intValue
    var trainer = try BytePairTrainer(options)
    for text in try #require(json["texts"]?.arrayValue) {
      trainer.add(try #require(text.stringValue))
    }
    return try trainer.train()
  }
}
