import ArgumentParser
import Checkpoints
import Foundation
import ModelSupport
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

      rtn and bcq look at weights alone. bcq writes a weight as a sum of --planes signs, each with a \
      scale that --group-size inputs share, or a whole row with --granularity channel.

      The other methods go block by block and learn from the text of --calibration. Finished blocks \
      are kept beside the output until the model is written: a run that was stopped goes on when the \
      same command is given again, and ends with the same bits.

      EXAMPLES
        apus-quantize run SmolLM2-135M --output small --bits 4
        apus-quantize run SmolLM2-135M --output small --scheme W3A16 --method flexround \\
            --calibration train.txt --evaluate wiki.txt --report report.html
        apus-quantize run model.gguf --output tiny --bits 3 --group-size 32 --range mse
        apus-quantize run SmolLM2-135M --output signs --method bcq --planes 3 --group-size 64
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

  @OptionGroup(title: "Calibration")
  var calibration: CalibrationArguments

  @Option(
    help: ArgumentHelp(
      "Write what became of every layer to a file that ends in .html or .json.",
      valueName: "file"
    )
  )
  var report: String?

  @Option(
    help: ArgumentHelp("Measure the perplexity on a text before and after.", valueName: "file")
  )
  var evaluate: String?

  @OptionGroup(title: "Perplexity (with --evaluate)")
  var evaluation: EvaluationArguments

  @OptionGroup(title: "Machine")
  var machine: ThreadArguments

  @OptionGroup(title: "Output")
  var style: OutputArguments

  func validate() throws {
    if let report, ![".json", ".html"].contains(where: { report.hasSuffix($0) }) {
      throw ValidationError("--report \(report): end the name in .html or .json")
    }
    try calibration.refuseOptions(withoutMeaningFor: [arguments.method])
    let isDirect = try BlockQuantization.isDirect(
      arguments.configuration(arguments.method),
      calibration
    )
    if isDirect { try calibration.refuseOptionsWithoutText() }
    if arguments.method == .binaryCoding && calibration.calibration != nil {
      throw ValidationError(
        "--calibration has no meaning with --method bcq, which looks at weights alone; leave it out"
      )
    }
  }

  func run() throws {
    machine.apply()
    try checkOutputFile(report)
    let configuration = try arguments.configuration(arguments.method)
    let source = try ModelFile(path: model)
    let text = try evaluate.map { try TextFile(path: $0, characters: evaluation.characters) }
    if text != nil { _ = try source.perplexityOptions(evaluation) }
    let isDirect = BlockQuantization.isDirect(configuration, calibration)
    let unfinished = UnfinishedOutput(output, work: calibration.work)
    let folder = try OutputFolder(
      path: output,
      replaces: force || !isDirect && unfinished.isThere,
      source: source.path
    )

    var blocks: QuantizedBlocks?
    let work = unfinished.work
    if !isDirect {
      try source.checkFullPrecision()
      try source.checkFinite()
      let samples = try calibration.samples(for: source, seed: calibration.seed) { note in
        try StandardStream.error.writeLine("note: \(note)")
      }
      blocks = try BlockQuantization(
        source,
        arguments,
        arguments.method,
        calibration,
        seed: calibration.seed,
        folder: work
      ).run(samples: samples, output: style)
    }
    if !isDirect { try unfinished.begin() }
    let report = try quantize(source, configuration, blocks, to: folder)
    var evaluations: [Evaluation] = []
    if let text {
      evaluations = try Evaluation.all(
        [source, ModelFile(path: output)],
        text: text,
        arguments: evaluation,
        output: style
      )
    }
    let summary = QuantizationSummary(
      source: source,
      output: output,
      report: report,
      evaluations: evaluations
    )
    if let path = self.report {
      try ModelReport(summary, report, blocks: blocks?.reports ?? []).write(to: path)
    }
    if !isDirect { unfinished.end(keepingWork: calibration.keepWork) }
    try show(summary)
    if let note = Self.note(on: blocks?.reports ?? []) {
      try StandardStream.error.writeLine("note: \(note)")
    }
  }

  /// What to know about blocks whose learned rounding was given up; nil where there is none.
  static func note(on reports: [BlockReport]) -> String? {
    let learned = reports.compactMap(\.reconstruction)
    let kept = learned.filter { $0.choice == .start }
    guard !kept.isEmpty else { return nil }
    let diverged = kept.count { $0.endError == nil }
    let reason =
      diverged == 0
      ? "learning found nothing better" : "learning did not stay finite in \(diverged) of them"
    return "\(kept.count) of \(learned.count.counted("block")) kept round-to-nearest: \(reason); "
      + "choose more --steps or a smaller --learning-rate"
  }

  private func quantize(
    _ source: ModelFile,
    _ configuration: QuantizationConfiguration,
    _ blocks: QuantizedBlocks?,
    to folder: OutputFolder
  ) throws -> QuantizationReport {
    let progress = style.progress(blocks == nil ? "quantizing" : "writing", unit: "tensors")
    defer { progress.clear() }
    let shares = source.shares
    do {
      let report = try source.quantize(configuration, blocks: blocks, to: folder) { state in
        progress.update(
          completed: state.finished,
          total: state.total,
          // Packed layers may bring tensors that the source does not have.
          share: shares[min(state.finished, shares.count - 1)],
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
