import ArgumentParser
import Autograd
import Checkpoints
import Federated
import FederationSupport
import Foundation
import Support

/// `simulate`: a federation of virtual devices, or a study of many.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Train on thousands of virtual devices with a virtual clock.",
    discussion: """
      The same seed gives the same numbers on any number of threads. With --checkpoints a run that was \
      interrupted goes on where it was. With --preset a folder of named configurations is run with each \
      seed; what is there already is not computed again.

      EXAMPLES
        apus-federate simulate mnist --clients 20 --alpha 0.3 --profiles mixed --strategy planned \\
          --deadline 60 --rounds 30 --output run.json
        apus-federate simulate mnist --preset reference --seeds 1 2 3 --output study
        apus-federate simulate law.txt sea.txt --base small-4bit --rate 1e-3 --adapter both.safetensors
      """
  )

  @OptionGroup(title: "Data") var task: TaskArguments
  @OptionGroup(title: "Base") var base: BaseArguments
  @Option(
    help: ArgumentHelp(
      "With --base: where the tuned step sizes go, as an adapter.",
      valueName: "file"
    )
  )
  var adapter: String?
  @OptionGroup(title: "Devices") var federation: FederationArguments
  @OptionGroup(title: "Rounds") var rounds: RoundArguments
  @Option(help: "A study instead of one run: reference, or language.")
  var preset: StudyPreset?
  @Option(parsing: .upToNextOption, help: "Only these rows of the study.")
  var rows: [String] = []
  @Option(parsing: .upToNextOption, help: "Seeds; one run takes the first.")
  var seeds: [UInt64] = [1]
  @Option(help: "Measure on the test set every so many rounds.")
  var testInterval = 1
  @Option(help: "Measure on all devices' own data every so many rounds; 0 for never.")
  var clientInterval = 0
  @Option(help: ArgumentHelp("Checkpoints of one run.", valueName: "folder"))
  var checkpoints: String?
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The report (JSON) of one run, or the folder of a study.", valueName: "path")
  )
  var output: String?
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !seeds.isEmpty else { throw ValidationError("--seeds must not be empty") }
    guard preset == nil || output != nil else {
      throw ValidationError("--preset needs a folder: --output")
    }
    if preset == nil, !rows.isEmpty { throw ValidationError("--rows belongs to --preset") }
    if preset != nil { try checkPreset() }
    guard adapter == nil || base.base != nil && preset == nil else {
      throw ValidationError("--adapter belongs to one run with --base")
    }
    if preset == nil, let fault = single.fault { throw ValidationError(fault) }
  }

  /// Refuses what the rows of a study say themselves.
  private func checkPreset() throws {
    let plain = try Self.parse(["mnist"]).single
    var names = SettingDifference.between(plain, single).map(\.name)
    if checkpoints != nil { names.append("checkpoints") }
    guard names.isEmpty else {
      let list = names.joined(separator: ", ")
      throw ValidationError("--preset sets what its runs do, so leave out the options for \(list)")
    }
  }

  private var single: SimulationConfiguration {
    var configuration = SimulationConfiguration()
    federation.apply(to: &configuration)
    rounds.apply(to: &configuration)
    configuration.measuring.testInterval = testInterval
    configuration.measuring.clientInterval = clientInterval
    configuration.measuring.measuresSlices = true
    return configuration
  }

  func run() throws {
    machine.apply()
    // What cannot be written in the end is found out at the start.
    for path in [preset == nil ? output : nil, adapter] { try checkOutputFile(path) }
    let task = try base.load(task)
    if let preset, let output {
      try runStudy(preset, task, output)
    } else {
      try runOne(task)
    }
  }

  private func runOne(_ task: any FederatedTask) throws {
    let reporter = display.progress("simulating", unit: "rounds")
    var configuration = single
    configuration.name = output.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "simulation"
    let (report, model) = try simulate(task, configuration, seed: seeds[0]) { round in
      let accuracy = round.evaluation.map { ", accuracy \((100 * $0.accuracy).fixed(1)) %" } ?? ""
      reporter.update(
        completed: round.round + 1,
        total: configuration.roundCount,
        note: "Γ \(round.coverage.minimum)\(accuracy)"
      )
    }
    reporter.finish()
    if let adapter {
      try base.write(model, rounds: report.rounds.count, task: configuration.name, to: adapter)
    }
    let text = try jsonText(report)
    if let output { try AtomicFile.write(text + "\n", to: output) }
    try StandardStream.output.writeLine(
      display.json ? text : RunTable(report).text(width: StandardStream.output.columnCount)
    )
  }

  private func simulate(
    _ task: any FederatedTask,
    _ configuration: SimulationConfiguration,
    seed: UInt64,
    progress: (RoundReport) -> Void
  ) throws -> (report: SimulationReport, model: ParameterSet) {
    do {
      let folder = try preset == nil ? checkpoints.map { try CheckpointFolder(at: $0) } : nil
      let simulation = try FederatedSimulation(task, configuration, seed: seed)
      let report = try simulation.run(
        folder: folder,
        progress: progress,
        shouldStop: { Cancellation.isRequested }
      )
      return (report, simulation.engine.model)
    } catch SimulationError.interrupted(let round) {
      try Cancellation.check("\(round) rounds were done, \(whatIsLeft)")
      throw CommandFailure("stopped after \(round) rounds")
    } catch let error as SimulationError {
      throw CommandFailure("\(error)")
    }
  }

  /// What an interruption leaves.
  private var whatIsLeft: String {
    if preset != nil { return "the same command goes on after the last finished run" }
    return checkpoints == nil ? "nothing is left" : "the same command goes on"
  }

  private func runStudy(
    _ preset: StudyPreset,
    _ task: any FederatedTask,
    _ output: String
  ) throws {
    let study = try StudyFolder(output)
    let identity = TaskIdentity(of: task)
    var configurations = preset.configurations
    if !rows.isEmpty {
      let known = configurations.map(\.name)
      if let wrong = rows.first(where: { !known.contains($0) }) {
        let list = known.joined(separator: ", ")
        throw CommandFailure("no row \(wrong.printable); there are \(list)")
      }
      configurations = configurations.filter { rows.contains($0.name) }
    }
    let reporter = display.progress("study", unit: "runs")
    let total = configurations.count * seeds.count
    for (index, configuration) in configurations.enumerated() {
      for (place, seed) in seeds.enumerated()
      where try study.report(configuration, task: identity, seed) == nil {
        let done = index * seeds.count + place
        let (report, _) = try simulate(task, configuration, seed: seed) { round in
          let share = Double(round.round + 1) / Double(configuration.roundCount)
          reporter.update(
            completed: done,
            total: total,
            share: (Double(done) + share) / Double(total),
            note: "\(configuration.name), seed \(seed)"
          )
        }
        try study.add(report)
      }
    }
    reporter.clear()
    let table = try StudyTable(study, configurations, task: identity, seeds: seeds)
    try AtomicFile.write(table.markdown + "\n", to: output + "/study.md")
    try StandardStream.output.writeLine(
      display.json ? jsonText(table.rows) : table.markdown
    )
  }
}

/// What one run came to.
struct RunTable {
  private let table: Table

  init(_ report: SimulationReport) {
    var table = Table([
      .number("round"), .number("accuracy"), .number("loss"), .number("devices"), .number("Γ"),
      .number("up MB"), .number("down MB"), .number("time s"),
    ])
    let step = max(1, report.rounds.count / 20)
    for round in report.rounds where (round.round + 1) % step == 0 || round == report.rounds.last {
      table.add(
        "\(round.round + 1)",
        round.evaluation.map { (100 * $0.accuracy).fixed(2) } ?? "",
        round.evaluation.map { $0.loss.fixed(4) } ?? "",
        "\(round.reported)/\(round.selected)",
        "\(round.coverage.minimum)",
        (Double(round.uplinkBytes) / 1e6).fixed(2),
        (Double(round.downlinkBytes) / 1e6).fixed(2),
        round.end.fixed(1)
      )
    }
    self.table = table
  }

  func text(width: Int?) -> String { table.text(width: width) }
}
