import ArgumentParser
import Support

/// `inspect`: what is in a checkpoint.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what is in a model.",
    discussion: """
      Prints the format, the family, the sizes, the configuration, the tokenizer and the tensors. \
      Tensors of the same name in every layer are one line; --tensors prints each. Only headers \
      are read, so large models are no problem. Of a model that is not known here, the tensors \
      are shown.

      EXAMPLES
        apus-quantize inspect SmolLM2-135M.gguf
        apus-quantize inspect SmolLM2-135M --tensors | grep embed
        apus-quantize inspect small --json
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Flag(help: "Print every tensor.")
  var tensors = false

  @Flag(help: "Write one JSON document with everything.")
  var json = false

  func run() throws {
    let inspection = try Inspection(path: model)
    try StandardStream.output.writeLine(
      json ? jsonText(inspection) : inspection.text(listingTensors: tensors)
    )
  }
}
