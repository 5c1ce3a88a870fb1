/// The tokens that a model writes after a prompt, one at a time: a batch of one.
///
///     for token in model.generate(after: prompt, options: options) { … }
public struct TokenStream: Sequence, IteratorProtocol {
  private var batch: TokenBatch

  init(_ batch: TokenBatch) { self.batch = batch }

  /// Why the stream ended; nil while it runs.
  public var finish: GenerationFinish? { batch.finishes[0] }

  /// The next token, or nil at the end.
  public mutating func next() -> Int32? { batch.next()?[0] }
}

extension DecoderModel {
  /// The tokens that follow `prompt` (at least one token).
  public func generate(after prompt: [Int32], options: GenerationOptions) -> TokenStream {
    TokenStream(generate(after: [prompt], options: options))
  }
}
