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
    // Released files switch limits off by 0 as well as by leaving them out.
    func number(_ key: String) throws(ModelError) -> Float? {
      generation.isZero(key) ? nil : try generation.optionalPositive(key)
    }
    sampling.repetitionPenalty = try number("repetition_penalty") ?? 1
    guard try generation.flag("do_sample", default: false) else { return }
    sampling.temperature =
      generation.isZero("temperature") ? 0 : try generation.positive("temperature", default: 1)
    sampling.topK =
      generation.isZero("top_k")
      ? nil : try generation.optionalInteger("top_k", in: 1...1_000_000)
    sampling.topP = try number("top_p")
    sampling.minP = try number("min_p")
  }
}
