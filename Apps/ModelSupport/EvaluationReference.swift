package import Support
import Transformer

/// A model that others are compared with: it reads a text once, however many they are.
package final class EvaluationReference {
  package let file: ModelFile
  let text: TextFile
  let arguments: EvaluationArguments
  let computation: Computation
  let options: PerplexityOptions
  private let tokens: [Int32]
  private let keptBytes: Int
  private var opened: ReferenceReading?

  /// Takes a model whose weights are read when the first other one comes.
  ///
  /// - Parameters:
  ///   - file: the model.
  ///   - text: what is read.
  ///   - arguments: how it is cut.
  ///   - computation: how linear maps are computed, here and in the others.
  ///   - keptBytes: how much of what was read may be kept for the next model. Choice: 1 GiB, which holds
  ///     a WikiText-2 of a model with states of 768 numbers.
  /// - Throws: what options that do not fit the model throw, and a text that it has no tokens for.
  package init(
    _ file: ModelFile,
    text: TextFile,
    arguments: EvaluationArguments,
    computation: Computation = .exact,
    keptBytes: Int = 1 << 30
  ) throws {
    (self.file, self.text, self.arguments) = (file, text, arguments)
    (self.computation, self.keptBytes) = (computation, keptBytes)
    options = try file.perplexityOptions(arguments)
    tokens = try file.tokens(of: text.text)
  }

  /// Whether another model reads the same tokens in the same windows.
  func hasTokens(of other: ModelFile) throws -> Bool {
    try other.perplexityOptions(arguments) == options && other.tokens(of: text.text) == tokens
      && other.pretrained.configuration.vocabularyCount
        == file.pretrained.configuration.vocabularyCount
  }

  /// The reading of the text, the model opened.
  func reading() throws -> ReferenceReading {
    if let opened { return opened }
    let reading = try ReferenceReading(
      file.makeModel(computation),
      of: tokens,
      options: options,
      keptBytes: keptBytes
    )
    opened = reading
    return reading
  }
}
