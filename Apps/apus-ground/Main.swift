import ArgumentParser
import Support

/// The command line of Apus's GUI grounding.
@main
struct ApusGround: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-ground",
    abstract: "Finds where to click on a screenshot: answers, searches, trains, measures.",
    discussion: """
      A MODEL is the file of a native policy or the folder of a run that trained one; with --endpoint \
      it is the name of a vision model behind an OpenAI-compatible server (vLLM, llama.cpp and \
      others). Native policies know synthetic pages; real screenshots are for vision models.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-ground ground shot.png "click Save" --endpoint http://127.0.0.1:8000/v1 --model qwen
        apus-ground ground page.png "click the red ring" --model consist
        apus-ground calibrate --endpoint http://127.0.0.1:8000/v1 --model qwen
        apus-ground sft --output sft
        apus-ground rl --from sft --output rl
        apus-ground consist --from rl --output consist
        apus-ground quantize consist --scheme W4 --output consist-w4.safetensors
        apus-ground eval --model consist --pages 500 --methods greedy full --output eval
        apus-ground report eval --output eval.html
      """,
    version: "0.1.0",
    subcommands: [
      GroundCommand.self, SearchCommand.self, EvaluateCommand.self, CalibrateCommand.self,
      ReportCommand.self, PagesCommand.self, SitesCommand.self, SynthesizeCommand.self,
      SupervisedCommand.self, ReinforceCommand.self, ConsistCommand.self, QuantizeCommand.self,
      SpeedCommand.self, ExportCommand.self, StudyCommand.self,
    ]
  )

  /// Runs the command that was typed; a signal cancels it, so that requests under way end too.
  static func main() async {
    Cancellation.install()
    await unlessItSucceeds()?.end()
  }

  private static func unlessItSucceeds() async -> Ending? {
    let work = Task {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    }
    let watch = Task.detached {
      while !Cancellation.isRequested { try await Task.sleep(for: .milliseconds(50)) }
      work.cancel()
    }
    let outcome = await work.result
    watch.cancel()
    guard case .failure(let error) = outcome else { return nil }
    return Ending(error, of: Self.self)
  }
}
