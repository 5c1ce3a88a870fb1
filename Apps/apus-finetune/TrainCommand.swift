import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Tensor
import Transformer

/// `train`: one task.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Tune a model for a task.",
    discussion: """
      What is trained is said by --method; everything else stays as it is stored, so that no float copy \
      of the model is made but for full. (A .gguf file in blocks is expanded; quantize it first.)

        peqa         the step sizes of packed codes: MODEL is quantized, or --scheme says how
        alphatuning  scales of binary codes: MODEL is of 'apus-quantize run --method bcq', or is coded
                     in memory from full precision
        lora         low-rank adapters beside layers of any kind
        full         all weights of a model in full precision

      Embedding, head, norms and biases are trained by full alone. The folder holds the settings, the \
      log, the checkpoints, report.html and report.json, and what came of it: adapter.safetensors (the \
      scales), adapter (peft's layout) or model. Run the same command again to go on after an \
      interruption; the numbers are those of a run without one.

      EXAMPLES
        apus-finetune train small --method peqa --text law.txt --validation-share 0.1 --output run
        apus-finetune train SmolLM2-135M --method peqa --scheme W3G64 --data chats.jsonl --output run
        apus-finetune train SmolLM2-135M --method alphatuning --planes 3 --text law.txt --output run
        apus-finetune train small --method lora --rank 8 --data chats.jsonl --output run
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Option(name: .shortAndLong, help: "What is trained: peqa, alphatuning, lora or full.")
  var method: TuningMethod

  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the run.", valueName: "folder"))
  var output: String

  @Option(help: "The name of the task. (default: that of the folder)")
  var task: String?

  @OptionGroup(title: "Data") var data: DataArguments

  @Option(
    help: ArgumentHelp("What the loss is measured on, of the kind of the data.", valueName: "file")
  )
  var validation: String?

  @Option(
    help: ArgumentHelp("Hold the last part of the data back to measure the loss.", valueName: "0-1")
  )
  var validationShare: Double?

  @OptionGroup(title: "Codes") var base: BaseArguments
  @OptionGroup(title: "Adapters") var lowRank: LowRankArguments
  @OptionGroup(title: "Training") var training: TrainingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    if validation != nil, validationShare != nil {
      throw ValidationError("--validation and --validation-share exclude each other")
    }
    if let share = validationShare, !(share > 0 && share < 1) {
      throw ValidationError("--validation-share \(share) must lie between 0 and 1")
    }
    if method != .lora, let option = lowRank.typed.first {
      throw ValidationError("\(option) belongs to --method lora; leave it out")
    }
    if method != .alphaTuning, let option = base.binaryOptions.first {
      throw ValidationError("\(option) belongs to --method alphatuning; leave it out")
    }
    if training.relative, method == .lora || method == .full {
      throw ValidationError("--relative belongs to --method peqa and alphatuning; leave it out")
    }
    if base.scheme != nil, method == .alphaTuning || method == .full {
      throw ValidationError("--scheme belongs to --method peqa and lora; leave it out")
    }
    if let task, task.allSatisfy(\.isWhitespace) {
      throw ValidationError("--task is empty; leave it out for the name of the folder")
    }
    guard !output.isEmpty else { throw ValidationError("--output is empty; name a folder") }
  }

  func run() throws {
    let file = try ModelFile(path: model)
    try checkOutput()
    if method == .full { try checkMemory(file) }
    if method == .lora { try LowRankAdapterFolder.check(file.pretrained.configuration, model) }
    machine.apply()
    let (examples, held) = try examples(file)
    let base = try TuningBase(file, kind, base, output: display)
    if method == .lora { try lowRank.add(to: base.model, seed: training.seed) }
    base.model.recomputesBlocks = training.recompute ?? (method != .full)
    let rate = try learningRate(base)
    MemoryPool.trim()
    // What loading and coding took is not what training takes.
    MemoryPool.resetPeak()
    let run = try FineTuning(
      at: output,
      model: base.model,
      training.options(learningRate: rate),
      training: examples,
      validation: held,
      identity: try identity(base)
    )
    run.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("tuning", unit: "steps")
    let report = try run.train { progress in
      reporter.update(completed: progress.step, total: progress.total, note: Self.note(progress))
    }
    reporter.clear()
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    try finish(base, report, examples.report, rate)
  }

  /// Writes what came of the run, and shows it.
  private func finish(
    _ base: TuningBase,
    _ report: FineTuningReport,
    _ examples: TuningExamplesReport,
    _ rate: Float
  ) throws {
    let isFinished = report.ending == .finished
    let result = isFinished ? try writeResult(base, report) : nil
    let summary = TuningSummary(
      base,
      report,
      method: method,
      task: taskName,
      settings: method == .lora ? lowRank.text : base.text,
      learningRate: rate,
      examples: examples,
      result: result,
      memory: MemoryTable(ModelShape(base.file.pretrained.configuration), memorySettings(base)),
      log: try RunLog.read(output + "/log.jsonl")
    )
    try AtomicFile.write(try jsonText(summary) + "\n", to: output + "/report.json")
    try AtomicFile.write(summary.page().html(), to: output + "/report.html")
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
    if isFinished, let (name, before, after) = report.risenLoss {
      try StandardStream.error.writeLine(
        "warning: the \(name) loss rose from \(before.fixed(4)) to \(after.fixed(4)); try a lower "
          + "--learning-rate than \(rate), or more data"
      )
    }
    // Scales of a hundred times as much are no fine tuning, whatever the loss says.
    if isFinished, let largest = summary.changes.map(\.largest).max(), largest > 100 {
      try StandardStream.error.writeLine(
        "warning: a scale has changed to \(largest.fixed(0)) times what it was; try a lower "
          + "--learning-rate than \(rate)"
      )
    }
    guard isFinished else {
      throw CommandFailure(
        report.step == 0
          ? "the loss of the first step is no number, so nothing was trained; does \(model) hold "
            + "numbers that are not finite?"
          : "the training diverged after step \(report.step), nothing was written but the report; "
            + "choose a lower --learning-rate than \(rate) or a longer --warm-up"
      )
    }
  }

  /// The scales, the adapters or the model, in the folder of the run.
  private func writeResult(_ base: TuningBase, _ report: FineTuningReport) throws -> String {
    switch method {
    case .peqa, .alphaTuning:
      let path = output + "/adapter.safetensors"
      var adapter = base.layers?.adapter(task: taskName, step: report.step)
      let options = base.file.quantization == nil ? try self.base.origin(method) : nil
      adapter?.origin = options.map { "apus-quantize run \(model) \($0)" }
      try adapter?.write(to: path)
      return path
    case .lora:
      let path = output + "/adapter"
      try LowRankAdapterFolder.write(
        base.model,
        baseModel: model,
        task: taskName,
        to: URL(filePath: path),
        replacing: true
      )
      return path
    case .full:
      let path = output + "/model"
      try base.file.pretrained.save(base.model, to: URL(filePath: path), replacing: true)
      return path
    }
  }
}

// MARK: - What is typed

extension FineTuningReport {
  /// The loss by which a finished run is worse than its start, with both values; nil where none is.
  ///
  /// Without validation examples the losses of the steps have to do, each of other examples: the last
  /// tenth of them against the first step's, which nothing has changed yet; up to a quarter is chance.
  fileprivate var risenLoss: (name: String, before: Double, after: Double)? {
    if let validationLossBefore, let validationLoss {
      return validationLoss <= validationLossBefore
        ? nil : ("validation", validationLossBefore, validationLoss)
    }
    guard losses.count >= 10, let before = losses.first else { return nil }
    let last = losses.suffix((losses.count + 9) / 10)
    let after = last.reduce(0, +) / Double(last.count)
    return after <= 1.25 * before ? nil : ("training", before, after)
  }
}

extension ModelFile {
  /// How numbers that are no codes lie in memory while they are not trained.
  fileprivate var floatType: ScaleType {
    let embedding = pretrained.configuration.embeddingLayers.first.map { $0 + ".weight" }
    let storage = embedding.flatMap { pretrained.catalog.describe($0)?.storage }
    return storage == "F16" || storage == "BF16" ? .float16 : .float32
  }
}

extension TrainCommand {
  private var taskName: String { task ?? URL(filePath: output).lastPathComponent }

  private var kind: TuningBase.Kind {
    switch method {
    case .peqa: .stepSizes
    case .alphaTuning: .binaryCodes
    case .lora: .stored
    case .full: .trainable
    }
  }

  private func examples(
    _ file: ModelFile
  ) throws -> (training: TuningExamples, validation: TuningExamples?) {
    if let validationShare { return try data.parts(holdingBack: validationShare, for: file) }
    return (
      try data.examples(for: file), try validation.map { try data.otherExamples($0, for: file) }
    )
  }

  /// The rate that was typed, or the method's.
  ///
  /// In shares of the median |s|, SmolLM2-135M learns best by 0.005 at 4 bits and 0.01 at 3 and 2. The
  /// paper's rates for models of billions are a tenth of that (6e-6 to 6e-5 for scales of some
  /// hundredths), and models of some thousand weights bear 0.02.
  private func learningRate(_ base: TuningBase) throws -> Float {
    if let rate = training.learningRate ?? method.learningRate { return rate }
    if training.relative { return Self.shareOfScale }
    let median = base.layers?.medianScale ?? 0
    guard median > 0 else {
      throw CommandFailure(
        "half of the scales of \(model) are 0, so none says what a small step is; add --learning-rate"
      )
    }
    return Self.shareOfScale * median
  }

  private static let shareOfScale: Float = 0.005

  /// What decides the numbers beside examples and options.
  private func identity(_ base: TuningBase) throws -> [String: String] {
    var identity = [
      "method": method.rawValue, "task": taskName, "codes": base.text,
      "model": "\(base.file.name), \(base.file.byteCount) bytes",
    ]
    if method == .lora { identity["adapters"] = lowRank.text }
    // All of it: an embedding decides the numbers as codes do.
    identity["base"] = try base.file.digest()
    return identity
  }

  private func memorySettings(_ tuned: TuningBase) -> MemoryTable.Settings {
    var settings = MemoryTable.Settings()
    if let adapter = tuned.layers?.adapter(task: "") {
      // What is mixed has no number; the table then shows the usual ones.
      let group = Int(adapter.group).flatMap { $0 > 0 ? $0 : nil }
      if method == .peqa {
        (settings.bits, settings.groupSize) = (Int(adapter.bits) ?? settings.bits, group)
      } else {
        (settings.planes, settings.planeGroupSize) = (Int(adapter.bits) ?? settings.planes, group)
        settings.trainedPlanes = (try? base.trainedPlaneCount(of: settings.planes)) ?? 1
      }
    }
    settings.rank = lowRank.rank ?? settings.rank
    if lowRank.targets != nil { settings.targets = lowRank.targetNames }
    settings.floatType = tuned.file.floatType
    settings.trainedType = .float32
    return settings
  }

  /// Refuses a place that holds something else than a run.
  private func checkOutput() throws(CommandFailure) {
    let files = FileManager.default
    var isFolder = ObjCBool(false)
    if files.fileExists(atPath: output, isDirectory: &isFolder), !isFolder.boolValue {
      throw CommandFailure("output \(output) is a file; choose a folder")
    }
    let names = finishedNames(in: output)
    guard names.isEmpty || names.contains("run.json") else {
      throw CommandFailure(
        "output \(output) is not empty and holds no run; choose another folder"
      )
    }
    // Whether something can be written there is known now, and not after all codes are made.
    try makeOutputFolder(output)
    try checkOutputFile(output + "/run.json")
    if !isFolder.boolValue { rmdir(output) }
  }

  /// Refuses a model whose training the machine has no memory for.
  private func checkMemory(_ file: ModelFile) throws(CommandFailure) {
    // Weights, gradients and two moments.
    let bytes = Double(file.parameterCount) * 16
    let memory = Double(ProcessInfo.processInfo.physicalMemory)
    guard bytes < memory else {
      throw CommandFailure(
        "all \(file.parameterCount.grouped) weights need \((bytes / 1e9).fixed(1)) GB to train, this "
          + "machine has \((memory / 1e9).fixed(1)); choose --method lora or peqa"
      )
    }
  }

  private static func note(_ progress: TrainingProgress) -> String {
    ["loss", "validation loss"].compactMap { name in
      progress.metrics[name].map { "\(name) \($0.fixed(4))" }
    }.joined(separator: ", ")
  }
}
