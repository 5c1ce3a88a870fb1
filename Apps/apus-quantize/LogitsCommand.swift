import ArgumentParser
import Checkpoints
import ModelSupport
import Support
import Tensor
import Transformer

/// `logits`: what a model predicts for a text, as a file.
struct LogitsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logits",
    abstract: "Write a model's logits for a text, to compare them with those of other programs.",
    discussion: """
      Writes a safetensors file with the token ids (`tokens`, I32) and the logits after each of \
      them (`logits`, F32, one row per token).

      EXAMPLES
        apus-quantize logits small --text wiki.txt --tokens 128 --output small.safetensors
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Option(help: ArgumentHelp("The text, in UTF-8.", valueName: "file"))
  var text: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read so many tokens at most.", valueName: "count")
  )
  var tokens = 128

  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  func validate() throws {
    guard tokens > 0 else {
      throw ValidationError("--tokens \(tokens) is too small; choose at least 1")
    }
  }

  func run() throws {
    let file = try ModelFile(path: model)
    let text = try TextFile(path: text)
    let ids = Array(try file.pretrained.requireTokenizer().encode(text.text).prefix(tokens))
    guard ids.count < file.pretrained.configuration.contextLength else {
      throw CommandFailure("--tokens \(tokens) exceeds the context of \(model); choose fewer")
    }
    let decoder = try file.makeModel()
    let logits = decoder(ids, cache: decoder.makeCache())
    try SafetensorsFile.write(
      [SafetensorsItem("tokens", Tensor(ids)), SafetensorsItem("logits", logits)],
      to: output
    )
    try StandardStream.output.writeLine(
      "\(output): \(ids.count.counted("token")), \(logits.shape[1].grouped) logits each"
    )
  }
}
