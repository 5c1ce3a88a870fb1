import ArgumentParser
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

/// `eval`: how well a base and its tasks predict.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how well a model predicts, alone and with adapters.",
    discussion: """
      The loss is the mean over all tokens that count, in nats; perplexity is exp of it. Windows and \
      examples are cut as 'train' cuts them, so that its last validation loss comes out again. A base \
      that was made in memory is made again by the same options: --scheme, or --planes and its like.

      EXAMPLES
        apus-finetune eval small --adapter run --text other.txt
        apus-finetune eval SmolLM2-135M --scheme W3G64 --adapter law --adapter code --text other.txt
        apus-finetune eval SmolLM2-135M --planes 3 --adapter run --data chats.jsonl --json
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("An adapter; may be repeated.", valueName: "path")
  )
  var adapter: [String] = []

  @OptionGroup(title: "Data") var data: DataArguments
  @Option(
    help: ArgumentHelp(
      "Measure on the last part alone, which 'train' with the same share held back.",
      valueName: "0-1"
    )
  )
  var validationShare: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read no more windows. (default: all)", valueName: "count")
  )
  var maxWindows: Int?
  @Option(help: "The examples of a batch.") var batch = 4
  @OptionGroup(title: "Codes") var base: BaseArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var output: OutputArguments

  /// What was measured of one task.
  private struct Row: Encodable {
    var name: String
    var adapter: String?
    var loss: ReportNumber
    var perplexity: ReportNumber
    /// The loss minus the base's; nil for the base.
    var delta: ReportNumber?
    var seconds: Double
  }

  private struct Document: Encodable {
    var model: String
    var base: String
    var examples: Int
    var tokens: Int
    var rows: [Row]
  }

  func validate() throws {
    guard batch > 0 else { throw ValidationError("--batch must be above 0") }
    if let share = validationShare, !(share > 0 && share < 1) {
      throw ValidationError("--validation-share \(share) must lie between 0 and 1")
    }
    if let maxWindows {
      guard maxWindows > 0 else {
        throw ValidationError("--max-windows \(maxWindows) is too small; choose at least 1")
      }
      guard data.data == nil else {
        throw ValidationError("--max-windows belongs to --text; leave it out")
      }
    }
  }

  func run() throws {
    let file = try ModelFile(path: model)
    let choice = try AdapterChoice(adapter, self.base)
    machine.apply()
    let examples = try examples(file)
    let base = try choice.base(file, output: output)
    var rows = [try row("base", nil, base.model, examples, reference: nil)]
    for task in choice.tasks {
      let reference = rows[0].loss.value
      switch task.content {
      case .scales(let adapter):
        try base.load(adapter, task.path)
        rows.append(
          try row(adapter.task, task.path, base.model, examples, reference: reference)
        )
        base.layers?.reset()
      case .lowRank:
        // Adapters cannot be taken off again.
        let adapted = try TuningBase(file, .stored, self.base, output: output)
        try LowRankAdapterFolder.load(URL(filePath: task.place), into: adapted.model)
        rows.append(try row(task.name, task.path, adapted.model, examples, reference: reference))
      }
    }
    let document = Document(
      model: model,
      base: base.text,
      examples: examples.count,
      tokens: examples.report.targets,
      rows: rows
    )
    let stream = StandardStream.output
    try stream.writeLine(
      output.json ? jsonText(document) : table(document).text(width: stream.columnCount)
    )
  }

  /// What is measured on.
  private func examples(_ file: ModelFile) throws -> TuningExamples {
    let all =
      try validationShare.map { try data.parts(holdingBack: $0, for: file).validation }
      ?? data.examples(for: file)
    return maxWindows.map { all.prefix($0) } ?? all
  }

  private func row(
    _ name: String,
    _ path: String?,
    _ model: DecoderModel,
    _ examples: TuningExamples,
    reference: Double?
  ) throws -> Row {
    let start = secondsOfUptime()
    let progress = output.progress(name, unit: "examples")
    defer { progress.clear() }
    let loss = examples.meanLoss(of: model, batchSize: batch) { count in
      progress.update(completed: count, total: examples.count)
      return !Cancellation.isRequested
    }
    try Cancellation.check()
    let mean = loss ?? .nan
    return Row(
      name: name,
      adapter: path,
      loss: ReportNumber(mean),
      perplexity: ReportNumber(exp(mean)),
      delta: reference.map { ReportNumber(mean - $0) },
      seconds: secondsOfUptime() - start
    )
  }

  private func table(_ document: Document) -> Table {
    var table = Table([
      "task", "adapter", .number("loss"), .number("delta"), .number("perplexity"),
      .number("tokens"),
    ])
    for row in document.rows {
      table.add(
        row.name,
        row.adapter ?? document.base,
        row.loss.value.fixed(4),
        row.delta?.value.signed(4) ?? "",
        row.perplexity.value.fixed(3),
        document.tokens.grouped
      )
    }
    return table
  }
}
