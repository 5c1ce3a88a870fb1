import Checkpoints

/// What config.json and generation_config.json say about writing text.
struct GenerationDocument {
  var stopTokens: Set<Int32> = []
  var sampling = SamplingOptions.greedy

  init() {}

  /// Reads `eos_token_id` of both files, and the sampling settings of the second.
  init(
    configuration: ConfigurationReader,
    generation: ConfigurationReader?
  ) throws(ModelError) {
    stopTokens = Set(try configuration.tokens("eos_token_id"))
    guard let generation else { return }
    stopTokens.formUnion(try generation.tokens("eos_token_id"))
    guard try generation.flag("do_sample", default: false) else { return }
    sampling = SamplingOptions(
      temperature: try generation.positive("temperature", default: 1),
      topK: try generation.optionalInteger("top_k", in: 1...1_000_000),
      topP: try generation.optionalPositive("top_p")
    )
  }
}
