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
    abstract: "Train and measure all rows of the ablation on synthetic or rendered pages.",
    discussion: """
      ROWS: warm (start), rl, consistency, sft (the control: supervision on the pages of rl); further \
      ones are consistency-only and global-only. Each policy is measured by greedy answers, sampled \
      ones, votes and full searches. The output is a folder: study.md and study.json of what is \
      finished, and a folder for each seed and row, which 'report' draws. Run the same command again \
      to go on after an interruption, or with more seeds and rows. Pages are synthetic, drawn in \
      memory, unless --training and --test name folders that 'pages' has rendered: of those of 'sites' \
      all items are used, of others those whose instruction names one colour and one shape, or all \
      with --reads bytes.

      EXAMPLES
        apus-ground study --output study --threads 1
        apus-ground study --seeds 1 --rows warm rl consistency sft global-only --output study
        apus-ground study --training known --test unseen --threads 1 --output rendered
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
  @Option(
    help: ArgumentHelp("Rendered pages to train on. (default: synthetic)", valueName: "folder")
  )
  var training: String?
  @Option(help: ArgumentHelp("Rendered pages to measure on.", valueName: "folder"))
  var test: String?
  @Option(help: ArgumentHelp("The view that the policy sees.", valueName: "widthxheight"))
  var view = PixelSize(width: 64, height: 64)
  @Option(help: "What the policy reads of an instruction: words (a colour and a shape) or bytes.")
  var reads = StudyReading.words
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  static let planName = "plan.json"

  func validate() throws {
    guard !seeds.isEmpty, Set(seeds).count == seeds.count, seeds.allSatisfy({ $0 < 1 << 40 }) else {
      throw ValidationError("--seeds needs seeds, each once, below 2⁴⁰")
    }
    guard !rows.isEmpty else { throw ValidationError("--rows must not be empty") }
    guard (training == nil) == (test == nil) else {
      throw ValidationError("--training and --test belong together")
    }
    if let training, training == test {
      throw ValidationError(
        "--training and --test name one folder; measure on pages of other sites"
      )
    }
    if let flaw = policy.flaw { throw ValidationError("--view \(view): \(flaw)") }
    let steps = [warmSteps, rewardSteps, consistencySteps, testPages]
    guard steps.allSatisfy({ (1...1 << 24).contains($0) }) else {
      throw ValidationError("steps and pages must be above 0")
    }
  }

  private var policy: NativePolicyConfiguration {
    NativePolicyConfiguration(view: view, instruction: reads == .words ? .words : .bytes())
  }

  private func plan() throws -> StudyPlan {
    var plan = StudyPlan()
    if let training, let test {
      plan.rendered = try RenderedPages(training: training, test: test)
    }
    plan.policy = policy
    plan.warmSteps = warmSteps
    plan.rewardSteps = rewardSteps
    plan.consistencySteps = consistencySteps
    plan.testPages = testPages
    return plan
  }

  func run() async throws {
    machine.apply()
    let plan = try plan()
    let pages = try StudyPages(plan)
    try claimFolder(output, holding: Self.planName)
    try SettingsFile.claim(plan, at: output + "/" + Self.planName, what: "study")
    for seed in seeds {
      for row in StudyRow.allCases where rows.contains(row) {
        try await finish(training(row, seed, plan, pages))
        try write(plan, pages)
      }
    }
    let table = try table(plan, pages)
    try StandardStream.output.writeLine(
      display.json ? jsonText(StudyDocument(table)) : table.markdown
    )
  }

  private func training(
    _ row: StudyRow,
    _ seed: UInt64,
    _ plan: StudyPlan,
    _ pages: StudyPages
  ) -> StudyTraining {
    StudyTraining(plan: plan, pages: pages, row: row, seed: seed, study: output)
  }

  /// Trains and measures a row, as far as that is not done.
  private func finish(_ training: StudyTraining) async throws {
    let (plan, row, seed) = (training.plan, training.row, training.seed)
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
      test: training.pages.test,
      seed: seed,
      comparesAggregations: row == .consistency
    )
    _ = try await measurement.lines(of: policy, in: training.folder) {
      pages.update(completed: $0, total: plan.testPages)
    }
    pages.finish()
  }

  /// What is finished in the folder, whatever seeds and rows are asked for now.
  private func table(_ plan: StudyPlan, _ pages: StudyPages) throws -> StudyTable {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? []
    let found = names.compactMap { name in
      name.hasPrefix("seed-") ? UInt64(name.dropFirst("seed-".count)) : nil
    }
    var cells: [StudyCell] = []
    for seed in found.sorted() {
      for row in StudyRow.allCases {
        let training = training(row, seed, plan, pages)
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

  private func write(_ plan: StudyPlan, _ pages: StudyPages) throws {
    let table = try table(plan, pages)
    try AtomicFile.write(table.markdown, to: output + "/study.md")
    try AtomicFile.write(try jsonText(StudyDocument(table)) + "\n", to: output + "/study.json")
  }
}
