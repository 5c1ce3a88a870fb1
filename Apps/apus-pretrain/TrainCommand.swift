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
      The folder holds the log, the probes, the checkpoints and, at the end, the model as a \
      Hugging Face folder. Run the same command again to go on after an interruption.

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
      "The tokenizer.json, or its folder, that made the tokens; it is put beside the model.",
      valueName: "path"
    )
  )
  var tokenizer: String?
  @Flag(help: "Store the finished model in bfloat16.")
  var bfloat16 = false
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Training") var training: TrainingArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate must be above 0")
    }
  }

  func run() throws {
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
