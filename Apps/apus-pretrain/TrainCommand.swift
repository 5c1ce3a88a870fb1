import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Support
import Tensor
import Transformer

/// `train`: one run.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a model from scratch.",
    discussion: """
      The folder holds the log, the probes, the checkpoints and, at the end, the model in the \
      layout of Hugging Face: pre without an embedding norm is a LLaMA (with --qk-norm a Qwen 3), \
      which the transformers library loads; other shapes are of the type apus, which it does not \
      know. Run the same command again to go on after an interruption.

      EXAMPLES
        apus-pretrain train book.tokens --output run --placement peri --embedding-norm
        apus-pretrain train book.tokens --output run --steps 2000 --checkpoint-interval 200
        apus-pretrain train book.tokens --output run --tokenizer tokenizer
      """
  )

  @OptionGroup(title: "Texts") var texts: TokenArguments
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the run.", valueName: "folder"))
  var output: String
  @Option(help: "Where norms stand: post, pre, peri or output.")
  var placement = NormPlacement.peri
  @Flag(help: "Normalize the embedding.")
  var embeddingNorm = false
  @Option(help: "The largest learning rate.")
  var learningRate: Float = 1e-3
  @Option(help: "The seed of weights and batches.")
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp(
      "The tokenizer.json, or its folder, that made the tokens; it is put beside the model, which "
        + "writes no text without it.",
      valueName: "path"
    )
  )
  var tokenizer: String?
  @Flag(help: "Store the finished model in bfloat16.")
  var bfloat16 = false
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Training") var training: TrainingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate must be above 0")
    }
  }

  func run() throws {
    machine.apply()
    let (tokens, held) = try texts.load()
    var options = training.options(model)
    options.learningRate = learningRate
    options.seed = seed
    var shape = model.configuration(
      vocabularyCount: tokens[0].vocabularyCount,
      length: training.length
    )
    shape.placement = placement
    shape.normalizesEmbedding = embeddingNorm
    shape.hasFinalNorm = placement != .post
    shape.useReleasedFamily()
    try checkOutput(shape)
    let documents = try tokenizer.map { try self.documents($0, for: tokens[0]) }
    let run = try Pretraining(at: output, shape, options, training: tokens, validation: held)
    run.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("training", unit: "steps")
    let report = try run.train { progress in
      reporter.update(completed: progress.step, total: progress.total, note: progress.shortNote)
    }
    reporter.clear()
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    if report.ending == .finished {
      try run.model.save(
        to: URL(filePath: output + "/model"),
        documents: documents ?? [:],
        as: bfloat16 ? .bfloat16 : .float32,
        replacing: true
      )
    }
    try StandardStream.output.writeLine(
      display.json ? jsonText(report) : summary(report)
    )
    if report.ending == .finished, documents == nil, !display.quiet {
      try StandardStream.error.writeLine(
        "\(output)/model has no tokenizer, so it cannot write text yet: the same command with "
          + "--tokenizer adds it"
      )
    }
    if report.ending == .diverged {
      throw CommandFailure(
        "the training diverged after step \(report.step), no model was written; choose a lower "
          + "--learning-rate, a longer --warm-up or another placement"
      )
    }
  }

  /// Refuses what would end badly only after the training.
  private func checkOutput(_ shape: TransformerConfiguration) throws(CommandFailure) {
    let files = FileManager.default
    if files.fileExists(atPath: output + "/model"), !files.fileExists(atPath: output + "/run.json")
    {
      throw CommandFailure(
        "\(output)/model exists and is not of a run; choose another --output or move it away"
      )
    }
    // Weights, gradients and two moments.
    let bytes = Double(shape.parameterCount) * 16
    let memory = Double(ProcessInfo.processInfo.physicalMemory)
    guard bytes < memory else {
      throw CommandFailure(
        "a model of \(shape.parameterCount.grouped) parameters needs \((bytes / 1e9).fixed(1)) GB "
          + "to train, this machine has \((memory / 1e9).fixed(1)); choose a smaller --width"
      )
    }
  }

  private func documents(_ path: String, for tokens: TokenFile) throws -> [String: Data] {
    let folder = try TokenizerFolder(path: path)
    guard folder.fingerprint == tokens.tokenizer else {
      throw CommandFailure(
        "\(texts.tokens[0]) was not made by the tokenizer \(path); tokenize the texts with it"
      )
    }
    return try folder.documents()
  }

  private func summary(_ report: PretrainingReport) -> String {
    var table = Table(["result", .number("value")])
    table.add("parameters", report.parameterCount.grouped)
    table.add("steps", report.step.grouped)
    table.add("ending", report.ending.rawValue)
    if let loss = report.validationLoss {
      table.add("validation loss (nats a token)", loss.fixed(4))
    }
    table.add("loss spikes", "\(report.spikes.count)")
    table.add("largest gradient norm after warm-up", report.largestGradientNorm.fixed(3))
    if let probe = report.probes.last?.report {
      table.add("variance after the last block", probe.streams.last?.variance.fixed(3) ?? "")
      table.add("largest activation", probe.largestActivation.fixed(2))
    }
    table.add("seconds", report.seconds.fixed(1))
    return table.text(width: StandardStream.output.columnCount)
  }
}
