import ArgumentParser
import Support

/// The command line of Apus's pre-training.
@main
struct ApusPretrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-pretrain",
    abstract: "Trains language models from scratch and watches how stable they are.",
    discussion: """
      Every run and every study lies in a folder of its own. Killed or interrupted, the same \
      command goes on where it stopped and ends with the same numbers.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-pretrain tokenizer book.txt --output tokenizer --vocabulary 4096
        apus-pretrain tokenize book.txt --tokenizer tokenizer --output book.tokens
        apus-pretrain train book.tokens --tokenizer tokenizer --output run --embedding-norm
        apus-pretrain probe run/model --tokens book.tokens
        apus-pretrain study a.tokens b.tokens --output study --learning-rates 1e-3 1e-2
        apus-pretrain report study --output report.html
      """,
    version: "0.1.0",
    subcommands: [
      TokenizerCommand.self, TokenizeCommand.self, TrainCommand.self, ProbeCommand.self,
      StudyCommand.self, ReportCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
