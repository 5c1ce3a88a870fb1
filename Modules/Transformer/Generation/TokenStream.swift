import Tensor

/// The tokens that a model writes after a prompt, one at a time.
///
/// Ends at a stop id (which is not part of the stream), at the token limit, or where the model's
/// context is full.
///
///     for token in model.generate(after: prompt, options: options) { … }
public struct TokenStream: Sequence, IteratorProtocol {
  private let model: DecoderModel
  private let options: GenerationOptions
  private let cache: KeyValueCache
  private var sampler: Sampler
  private var pending: [Int32]
  private var produced = 0
  /// Why the stream ended; nil while it runs.
  public private(set) var finish: Finish?

  /// Why a generation ended.
  public enum Finish: String, Codable, Sendable {
    /// A stop id was drawn.
    case stop
    /// The token limit was reached.
    case length
    /// The model's context is full.
    case context
  }

  init(model: DecoderModel, prompt: [Int32], options: GenerationOptions) {
    self.model = model
    self.options = options
    cache = model.makeCache()
    sampler = Sampler(options.sampling)
    pending = prompt
  }

  /// The next token, or nil at the end.
  public mutating func next() -> Int32? {
    guard finish == nil else { return nil }
    guard produced < options.maximumTokens else { return end(.length) }
    guard cache.count + pending.count <= model.configuration.contextLength else {
      return end(.context)
    }
    let token = sampler.next(model.nextTokenLogits(pending, cache: cache))
    guard !options.stopTokens.contains(token) else { return end(.stop) }
    pending = [token]
    produced += 1
    return token
  }

  private mutating func end(_ reason: Finish) -> Int32? {
    finish = reason
    return nil
  }
}

/// How much is generated, and how.
public struct GenerationOptions: Codable, Hashable, Sendable {
  /// The most tokens to write.
  public var maximumTokens: Int
  /// How each is drawn.
  public var sampling: SamplingOptions
  /// The ids that end the text.
  public var stopTokens: Set<Int32>

  /// Options for one generation; the defaults write up to 128 tokens greedily.
  public init(
    maximumTokens: Int = 128,
    sampling: SamplingOptions = .greedy,
    stopTokens: Set<Int32> = []
  ) {
    self.maximumTokens = maximumTokens
    self.sampling = sampling
    self.stopTokens = stopTokens
  }
}

extension DecoderModel {
  /// The tokens that follow `prompt` (at least one token).
  public func generate(after prompt: [Int32], options: GenerationOptions) -> TokenStream {
    TokenStream(model: self, prompt: prompt, options: options)
  }
}
