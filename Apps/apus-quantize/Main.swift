import ArgumentParser
import Support

/// The command line of Apus's quantizer.
@main
struct ApusQuantize: ParsableCommand {
  static let name = "apus-quantize"

  static let configuration = CommandConfiguration(
    commandName: name,
    abstract: "Looks into language models, makes them smaller, and measures what that costs.",
    discussion: """
      A MODEL is a Hugging Face folder (config.json, tokenizer.json, *.safetensors), a folder \
      that 'run' has written, or a .gguf file.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-quantize inspect SmolLM2-135M
        apus-quantize run SmolLM2-135M --output small --bits 4
        apus-quantize eval SmolLM2-135M small --text wiki.txt --max-windows 8
        apus-quantize export small --format gguf --output small.gguf
      """,
    version: "0.1.0",
    subcommands: [
      InspectCommand.self, RunCommand.self, CompareCommand.self, EvaluateCommand.self,
      ExportCommand.self, LogitsCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
