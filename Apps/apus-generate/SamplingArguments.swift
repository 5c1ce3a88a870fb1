import ArgumentParser
import Transformer

/// How tokens are drawn.
struct SamplingArguments: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Divides the logits before a token is drawn; 0, the default, takes the most likely one."
  )
  var temperature: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Draw from the most likely tokens only.", valueName: "count")
  )
  var topK: Int?

  @Option(
    parsing: .unconditional,
    help: "Draw from the most likely tokens that together reach this probability."
  )
  var topP: Float?

  @Option(
    parsing: .unconditional,
    help: "Draw from the tokens with at least this part of the largest probability."
  )
  var minP: Float?

  @Option(
    parsing: .unconditional,
    help: "Above 1, tokens that the text has already become less likely."
  )
  var repetitionPenalty: Float?

  @Option(parsing: .unconditional, help: "Where the random numbers begin.")
  var seed: UInt64 = 0

  @Flag(help: "Draw as the model's makers recommend, where other options do not say otherwise.")
  var recommended = false

  func validate() throws {
    if let temperature, !(temperature.isFinite && temperature >= 0) {
      throw ValidationError("--temperature \(temperature) is out of range; choose 0 or more")
    }
    if let topK, topK < 1 {
      throw ValidationError("--top-k \(topK) leaves no token; choose at least 1")
    }
    for (name, value) in [("--top-p", topP), ("--min-p", minP)] {
      guard let value, !(value > 0 && value <= 1) else { continue }
      throw ValidationError("\(name) \(value) is out of range; choose above 0, up to 1")
    }
    if let repetitionPenalty, !(repetitionPenalty.isFinite && repetitionPenalty > 0) {
      throw ValidationError(
        "--repetition-penalty \(repetitionPenalty) is out of range; choose above 0, 1 for none"
      )
    }
    let isGreedy = temperature == 0 || temperature == nil && !recommended
    if isGreedy, topK != nil || topP != nil || minP != nil {
      throw ValidationError(
        "--top-k, --top-p and --min-p have no meaning at temperature 0; add --temperature 1"
      )
    }
  }

  /// The options for a model.
  func options(_ model: PretrainedModel) -> SamplingOptions {
    var options = recommended ? model.sampling : .greedy
    options.temperature = temperature ?? options.temperature
    options.topK = topK ?? options.topK
    options.topP = topP ?? options.topP
    options.minP = minP ?? options.minP
    options.repetitionPenalty = repetitionPenalty ?? options.repetitionPenalty
    options.seed = seed
    return options
  }
}
