import ArgumentParser
import Checkpoints
import Quantization
import Support

/// `run`: a model with fewer bits.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Make a model smaller: fewer bits per weight.",
    discussion: """
      Rounds the linear layers of all blocks to few bits and writes a model folder that this \
      program reads like any other. Norms stay as they are, the embedding too unless \
      --embedding-bits says otherwise. The relative error is the mean squared error over the \
      mean square of the weights, averaged over the layers. The folder appears complete or not \
      at all, whatever interrupts the run.

      EXAMPLES
        apus-quantize run SmolLM2-135M --output small --bits 4
        apus-quantize run model.gguf --output tiny --bits 3 --group-size 32 --range mse
        apus-quantize run SmolLM2-135M --output small --bits 4 --embedding-bits 8 \\
            --evaluate wiki.txt --max-windows 8
      """
  )

  @Argument(help: "A model folder or a .gguf file in full precision.")
  var model: String

  @Option(name: .shortAndLong, help: ArgumentHelp("Where the model goes.", valueName: "folder"))
  var output: String

  @Flag(help: "Replace the model in an output folder that is not empty.")
  var force = false

  @OptionGroup(title: "Quantization")
  var arguments: QuantizationArguments

  @Option(
    help: ArgumentHelp("Measure the perplexity on a text before and after.", valueName: "file")
  )
  var evaluate: String?

  @OptionGroup(title: "Perplexity (with --evaluate)")
  var evaluation: EvaluationArguments

  @OptionGroup(title: "Output")
  var style: OutputArguments

  func run() throws {
    let configuration = try arguments.configuration()
    let source = try ModelFile(path: model)
    let text = try evaluate.map { try TextFile(path: $0, characters: evaluation.characters) }
    if text != nil { _ = try source.perplexityOptions(evaluation) }
    let folder = try OutputFolder(path: output, replaces: force, source: source.path)

    let before = try text.map { text in
      try Evaluation(source, text: text, arguments: evaluation, output: style)
    }
    let report = try quantize(source, configuration: configuration, to: folder)
    var evaluations = [before].compactMap { $0 }
    if let text {
      let result = try ModelFile(path: output)
      evaluations.append(
        try Evaluation(result, text: text, arguments: evaluation, output: style)
      )
    }
    try show(
      QuantizationSummary(source: source, output: output, report: report, evaluations: evaluations)
    )
  }

  private func quantize(
    _ source: ModelFile,
    configuration: QuantizationConfiguration,
    to folder: OutputFolder
  ) throws -> QuantizationReport {
    let progress = style.progress("quantizing", unit: "tensors")
    defer { progress.clear() }
    let shares = source.shares
    do {
      let report = try source.quantize(configuration, to: folder) { state in
        progress.update(
          completed: state.finished,
          total: state.total,
          share: shares[state.finished],
          note: state.current ?? ""
        )
        return !Cancellation.isRequested
      }
      progress.finish()
      return report
    } catch QuantizationError.cancelled {
      try Cancellation.check("nothing was written")
      throw QuantizationError.cancelled
    } catch CheckpointError.unwritable(_, let problem) {
      throw CommandFailure(
        "cannot write output \(output): \(problem); nothing was written, choose another place "
          + "or make room"
      )
    }
  }

  private func show(_ summary: QuantizationSummary) throws {
    let stream = StandardStream.output
    try stream.writeLine(
      style.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }
}
