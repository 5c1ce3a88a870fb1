import ArgumentParser
import Autograd
import GUIGrounding
import Support

/// `export`: rows for programs that train large models.
struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write what the policy solves as training rows for other programs.",
    discussion: """
      An example is kept if one of K responses hits; vlm-r1, the format with reasoning, takes only those \
      that think in <think> before they answer. Rows are for the whole picture and for crops that hold the \
      element, the answer is its centre: what stages 1 and 2 teach, for a model whose weights are trained \
      elsewhere. The output is a folder: rows.jsonl and images/. The same command goes on after an \
      interruption.

      EXAMPLES
        apus-ground export --model consist --pages 500 --format vlm-r1 --output rows
        apus-ground export --data pages --split train --endpoint http://127.0.0.1:8000/v1 \\
          --model qwen --cache replies --format easyr1 --output rows
        apus-ground export --data pages --split train --endpoint http://127.0.0.1:8000/v1 \\
          --model qwen --family reguide --format vlm-r1 --output thinking
      """
  )

  @OptionGroup(title: "Policy") var policy: PolicyArguments
  @OptionGroup(title: "Examples") var data: DataArguments
  @Option(help: "Whose rows: vlm-r1, gta1, easyr1 or uground.")
  var format: TrainingRowLayout
  @Option(help: "K, the responses of which one must hit.")
  var candidates = 4
  @Option(help: "The crops of each example beside the whole picture.")
  var crops = 1
  @Option(help: "The temperature of responses; 0 for the likeliest alone.")
  var temperature = 1.0
  @Option(help: "The longest response in tokens.")
  var maxTokens = 256
  @Option(help: "The seed of responses and crops.")
  var seed: UInt64 = 0
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...4096).contains(candidates), (0...1024).contains(crops) else {
      throw ValidationError("--candidates must be above 0, --crops 0 or more")
    }
    guard temperature >= 0, temperature <= 100, (1...1_000_000).contains(maxTokens) else {
      throw ValidationError("--temperature must be 0 or more, --max-tokens above 0")
    }
    guard seed < 1 << 30 else { throw ValidationError("--seed must be below 2³⁰") }
  }

  func run() async throws {
    machine.apply()
    let loaded = try policy.load()
    let description = data.description(pages: 6000, seed: 4)
    let examples = try description.load(needsTargets: true).judgedExamples()
    let mark = "export.json"
    try claimFolder(output, holding: mark)
    try SettingsFile.claim(
      ExportSettings(data: description, policy: try policy.identity()),
      at: output + "/" + mark,
      what: "export"
    )
    var options = TrainingRowOptions(layout: format)
    options.candidates = candidates
    options.localViews = crops
    options.sampling = GroundingSampling(
      temperature: temperature,
      maxTokens: maxTokens,
      seed: seed
    )
    options.seed = seed
    var export = TrainingRowExport(to: output, of: loaded.policy, on: examples, options)
    export.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("exporting", unit: "examples")
    defer { reporter.clear() }
    let report = try await export.run { progress in
      reporter.update(
        completed: progress.step,
        total: progress.total,
        note: "\(Int(progress.metrics["rows"] ?? 0).counted("row"))"
      )
    }
    reporter.clear()
    if !report.isComplete {
      try Cancellation.check(
        "\(report.rows.counted("row")) were written; the same command goes on after "
          + report.tried.counted("example")
      )
    }
    let text =
      "\(report.rows.counted("row")) of \(report.solved.counted("solved example")), "
      + "\(report.tried.grouped) tried"
    try StandardStream.output.writeLine(display.json ? jsonText(report) : text)
    if report.withoutReasoning > 0 {
      try StandardStream.error.writeLine(
        "warning: \(report.withoutReasoning.counted("example")) hit by responses without "
          + "<think>…</think><answer>…</answer> were left out: \(format.rawValue) rows hold reasoning; ask "
          + "with a --template that wants it, as --family reguide does, or take another --format"
      )
    }
  }
}

/// What an export was made from: export.json.
private struct ExportSettings: Encodable {
  var data: SourceDescription
  /// The policy, by its content or its place.
  var policy: String
}
