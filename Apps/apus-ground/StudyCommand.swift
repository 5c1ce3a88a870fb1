import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// `study`: the ablation.
struct StudyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Train and measure all rows of the ablation on synthetic pages.",
    discussion: """
      ROWS: warm (start), rl, consistency, sft (the control: supervision on the pages of rl); further \
      ones are consistency-only and global-only. Each policy is measured by greedy answers, sampled \
      ones, votes and full searches. The output is a folder: study.md and study.json of what is \
      finished, and a folder for each seed and row, which 'report' draws. Run the same command again \
      to go on after an interruption, or with more seeds and rows.

      EXAMPLES
        apus-ground study --output study --threads 1
        apus-ground study --seeds 1 --rows warm rl consistency sft global-only --output study
      """
  )

  @Option(parsing: .upToNextOption, help: "The seeds, one after the other.")
  var seeds: [UInt64] = [1, 2, 3]
  @Option(parsing: .upToNextOption, help: "The policies.")
  var rows: [StudyRow] = [.warm, .rl, .consistency, .sft]
  @Option(help: "Steps of the warm start.")
  var warmSteps = 150
  @Option(help: "Steps of the rewards.")
  var rewardSteps = 200
  @Option(help: "Steps of the agreement of views.")
  var consistencySteps = 150
  @Option(help: "Pages that policies are measured on.")
  var testPages = 2000
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Machine") var machine: MachineArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  static let planName = "plan.json"

  func validate() throws {
    guard !seeds.isEmpty, Set(seeds).count == seeds.count, seeds.allSatisfy({ $0 < 1 << 40 }) else {
      throw ValidationError("--seeds needs seeds, each once, below 2⁴⁰")
    }
    guard !rows.isEmpty else { throw ValidationError("--rows must not be empty") }
    let steps = [warmSteps, rewardSteps, consistencySteps, testPages]
    guard steps.allSatisfy({ (1...1 << 24).contains($0) }) else {
      throw ValidationError("steps and pages must be above 0")
    }
  }

  private var plan: StudyPlan {
    var plan = StudyPlan()
    plan.warmSteps = warmSteps
    plan.rewardSteps = rewardSteps
    plan.consistencySteps = consistencySteps
    plan.testPages = testPages
    return plan
  }

  func run() async throws {
    machine.apply()
    try claimFolder(output, holding: Self.planName)
    try SettingsFile.claim(plan, at: output + "/" + Self.planName, what: "study")
    for seed in seeds {
      for row in StudyRow.allCases where rows.contains(row) {
        try await finish(row, seed)
        try write()
      }
    }
    let table = try table()
    try StandardStream.output.writeLine(
      display.json ? jsonText(StudyDocument(table)) : table.markdown
    )
  }

  private func training(_ row: StudyRow, _ seed: UInt64) -> StudyTraining {
    StudyTraining(plan: plan, row: row, seed: seed, study: output)
  }

  /// Trains and measures a row, as far as that is not done.
  private func finish(_ row: StudyRow, _ seed: UInt64) async throws {
    let training = training(row, seed)
    let steps = display.progress("seed \(seed), \(row.rawValue)", unit: "steps")
    defer { steps.clear() }
    let policy = try training.policy { progress in
      steps.update(
        completed: progress.step,
        total: progress.total,
        note: trainingNote(progress)
      )
    }
    steps.clear()
    let pages = display.progress("seed \(seed), \(row.rawValue), measuring", unit: "pages")
    defer { pages.clear() }
    let measurement = StudyMeasurement(
      plan: plan,
      seed: seed,
      comparesAggregations: row == .consistency
    )
    _ = try await measurement.lines(of: policy, in: training.folder) {
      pages.update(completed: $0, total: plan.testPages)
    }
    pages.finish()
  }

  /// What is finished in the folder, whatever seeds and rows are asked for now.
  private func table() throws -> StudyTable {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? []
    let found = names.compactMap { name in
      name.hasPrefix("seed-") ? UInt64(name.dropFirst("seed-".count)) : nil
    }
    var cells: [StudyCell] = []
    for seed in found.sorted() {
      for row in StudyRow.allCases {
        let training = training(row, seed)
        let path = training.folder + "/items.jsonl"
        guard FileManager.default.fileExists(atPath: path) else { continue }
        let lines = try LineJournal<StudyLine>.lines(of: path)
        guard lines.count == plan.testPages else { continue }
        cells.append(
          StudyCell(
            row: row,
            seed: seed,
            lines: lines.sorted { $0.page < $1.page },
            trainingSeconds: training.cost().cpuSeconds
          )
        )
      }
    }
    return StudyTable(plan: plan, cells: cells)
  }

  private func write() throws {
    let table = try table()
    try AtomicFile.write(table.markdown, to: output + "/study.md")
    try AtomicFile.write(try jsonText(StudyDocument(table)) + "\n", to: output + "/study.json")
  }
}
