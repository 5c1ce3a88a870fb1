import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Support
import Transformer

/// `study`: placement × embedding norm × learning rate × seed.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Sweep placement, embedding norm, learning rate and seed.",
    discussion: """
      Runs one cell after the other. Interrupted, the same command goes on; started several times \
      on one folder, the processes share the cells. A variant is a placement, with +E for a norm \
      of the embedding: pre, pre+E, post, post+E, peri, peri+E, output+E.

      EXAMPLES
        apus-pretrain study a.tokens b.tokens --output study --stride 1
        apus-pretrain study a.tokens --output study --variants pre+E peri+E --seeds 0 1 2
      """
  )

  @OptionGroup(title: "Texts") var texts: TokenArguments
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the study.", valueName: "folder"))
  var output: String
  @Option(parsing: .upToNextOption, help: "The variants.")
  var variants: [String] = ["post", "post+E", "pre", "pre+E", "peri", "peri+E", "output+E"]
  @Option(parsing: .upToNextOption, help: "The learning rates.")
  var learningRates: [Float] = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
  @Option(parsing: .upToNextOption, help: "The seeds.")
  var seeds: [UInt64] = [0, 1, 2]
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Training") var training: TrainingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard learningRates.allSatisfy({ $0 > 0 && $0.isFinite }), !learningRates.isEmpty,
      !seeds.isEmpty
    else { throw ValidationError("--learning-rates must be above 0, and --seeds not empty") }
    _ = try parsedVariants()
  }

  private func parsedVariants() throws -> [PlacementStudy.Variant] {
    try variants.map { name in
      let parts = name.split(separator: "+", omittingEmptySubsequences: false)
      guard let placement = NormPlacement(rawValue: String(parts[0])),
        parts.count == 1 || (parts.count == 2 && parts[1] == "E")
      else {
        throw ValidationError(
          "'\(name)' is no variant; a variant is post, pre, peri or output, and +E where the "
            + "embedding is normalized"
        )
      }
      return .init(placement, normalizesEmbedding: parts.count == 2)
    }
  }

  func run() throws {
    machine.apply()
    let (tokens, held) = try texts.load()
    let plan = PlacementStudy.Plan(
      configuration: model.configuration(
        vocabularyCount: tokens[0].vocabularyCount,
        length: training.length
      ),
      options: training.options(model),
      variants: try parsedVariants(),
      learningRates: learningRates,
      seeds: seeds
    )
    let study = try PlacementStudy(at: output, plan: plan)
    let reporter = display.progress("study", unit: "cells")
    let count = plan.cells.count
    let isDone = try study.run(
      training: tokens,
      validation: held,
      shouldStop: { Cancellation.isRequested },
      progress: { cell, index, progress in
        reporter.update(
          completed: index,
          total: count,
          share: (Double(index) + progress.fraction) / Double(count),
          note: "\(cell.name) \(progress.step)/\(progress.total), \(progress.shortNote)"
        )
      }
    )
    reporter.clear()
    try Cancellation.check("run the same command to go on")
    let results = try study.results()
    let summary = StudySummary(plan, results)
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(summary) : summary.table.text(width: StandardStream.output.columnCount)
    )
    if !isDone {
      try StandardStream.error.writeLine(
        "\(results.count) of \(count) cells are done; other processes hold the rest"
      )
    }
  }
}

extension TrainingProgress {
  /// The losses, and nothing else.
  var shortNote: String {
    ["loss", "validation loss"].compactMap { name in
      metrics[name].map { "\(name) " + String(format: "%.4g", $0) }
    }.joined(separator: ", ")
  }
}
