import ArgumentParser
import ModelSupport
import Support

/// `eval`: the perplexity of models on a text.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how well models predict a text.",
    discussion: """
      Perplexity is exp of the mean negative log-likelihood of the text's tokens: the lower the \
      better, and comparable only between models with the same tokenizer and the same options. \
      While a model reads, its perplexity so far is shown. Every model is compared with the first: \
      delta is the difference of the perplexities, KL the mean divergence of its predictions from \
      the first model's in nats, top-1 the share of tokens where both find the same one likeliest.

      EXAMPLES
        apus-quantize eval SmolLM2-135M --text wiki.txt
        apus-quantize eval SmolLM2-135M small4 small3 --text wiki.txt --max-windows 8
        apus-quantize eval model.gguf --text wiki.txt --stride 256 --json
        apus-quantize eval small --text wiki.txt --packed
      """
  )

  @Argument(help: "Model folders or .gguf files; the first is what the others are compared with.")
  var models: [String]

  @Option(help: ArgumentHelp("The text, in UTF-8.", valueName: "file"))
  var text: String

  @OptionGroup(title: "Perplexity")
  var arguments: EvaluationArguments

  @Flag(
    help: """
      Compute from low-bit codes with inputs of 8 bits, as models are used. Without it everything is \
      computed in floats.
      """
  )
  var packed = false

  @OptionGroup(title: "Machine")
  var machine: ThreadArguments

  @OptionGroup(title: "Output")
  var output: OutputArguments

  private struct Document: Encodable {
    var text: String
    /// Whether the models computed from their codes.
    var packed: Bool
    var models: [Evaluation]
  }

  func run() throws {
    machine.apply()
    let text = try TextFile(path: self.text, characters: arguments.characters)
    let files = try models.map { try ModelFile(path: $0) }
    let compared = try Evaluation.all(
      files,
      text: text,
      arguments: arguments,
      computation: packed ? .packed : .exact,
      output: output
    )
    let stream = StandardStream.output
    try stream.writeLine(
      output.json
        ? jsonText(Document(text: self.text, packed: packed, models: compared))
        : Evaluation.table(compared).text(width: stream.columnCount)
    )
  }
}
