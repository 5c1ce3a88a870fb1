import ArgumentParser
import Support
import Transformer

/// `generate`: the continuation of a prompt.
struct GenerateCommand: ParsableCommand {
  enum Encoding: String, EnumerableFlag {
    case raw
    case bos

    static func help(for value: Encoding) -> ArgumentHelp? {
      switch value {
      case .raw: "Take the prompt as plain text: no first token, special tokens have no meaning."
      case .bos: "Put the model's first token in front. (default: as the tokenizer says)"
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continue a text.",
    discussion: """
      Writes the continuation to standard output as it is made, and the speed to standard error. \
      It ends at the model's stop token, after --tokens, or where the model's context is full. \
      Temperature 0 always takes the most likely token; above 0 the same seed gives the same text.

      EXAMPLES
        apus-quantize generate SmolLM2-135M "The capital of France is"
        apus-quantize generate small "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
        apus-quantize generate model.gguf "1, 2, 3," --tokens 16 --json
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Argument(help: "The text to continue.")
  var prompt: String

  @Option(
    name: .shortAndLong,
    parsing: .unconditional,
    help: ArgumentHelp("The most tokens to write.", valueName: "count")
  )
  var tokens = 64

  @Option(
    parsing: .unconditional,
    help: "Divides the logits before a token is drawn; 0 takes the most likely one."
  )
  var temperature: Float = 0

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

  @Option(parsing: .unconditional, help: "Where the random numbers begin.")
  var seed: UInt64 = 0

  @Flag
  var encoding: Encoding?

  @OptionGroup(title: "Output")
  var output: OutputArguments

  func validate() throws {
    guard tokens >= 1 else {
      throw ValidationError("--tokens \(tokens) writes nothing; choose at least 1")
    }
    guard temperature.isFinite, temperature >= 0 else {
      throw ValidationError("--temperature \(temperature) is out of range; choose 0 or more")
    }
    if let topK, topK < 1 {
      throw ValidationError("--top-k \(topK) leaves no token; choose at least 1")
    }
    if let topP, !(topP > 0 && topP <= 1) {
      throw ValidationError("--top-p \(topP) is out of range; choose above 0, up to 1")
    }
    if temperature == 0, topK != nil || topP != nil {
      throw ValidationError(
        "--top-k and --top-p have no meaning at temperature 0; add --temperature 1"
      )
    }
  }

  func run() throws {
    let file = try ModelFile(path: model)
    let generation = try Generation(
      file,
      prompt: prompt,
      encoding: encoding,
      options: GenerationOptions(
        maximumTokens: tokens,
        sampling: SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed),
        stopTokens: file.pretrained.stopTokens
      ),
      show: output.json ? nil : Self.show
    )
    if output.json { try StandardStream.output.writeLine(jsonText(generation)) }
    if !output.quiet { try? StandardStream.error.writeLine(generation.summary) }
  }

  /// Writes a piece of text as it comes; a model's control characters must not reach a terminal.
  private static func show(_ piece: String) throws(CommandFailure) {
    let stream = StandardStream.output
    try stream.write(stream.isTerminal ? piece.printableLines : piece)
  }
}
