import ArgumentParser
import Support

/// The command line of Apus's fine-tuning.
@main
struct ApusFinetune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-finetune",
    abstract:
      "Tunes language models for tasks: scales of codes, low-rank adapters, or all weights.",
    discussion: """
      A MODEL is a Hugging Face folder (config.json, tokenizer.json, *.safetensors), a folder that \
      apus-quantize or another tool has quantized, or a .gguf file. An ADAPTER is a file of scales, \
      a folder of low-rank adapters as peft has them, or the folder of a run.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-finetune memory SmolLM2-135M --bits 4
        apus-finetune train small --method peqa --text law.txt --validation-share 0.1 --output run
        apus-finetune eval small --adapter run --text other.txt
        apus-finetune adapters apply small run --output law
      """,
    version: "0.1.0",
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, AdaptersCommand.self, MemoryCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
