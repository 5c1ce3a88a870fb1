public import Autograd
import Checkpoints
import Foundation
import Tensor

/// Fine-tuning in a folder: it can be killed at any moment and goes on as if nothing had happened.
///
/// What is trained is whatever the model's layers say: all weights, low-rank adapters, the scales of
/// packed layers. Checkpoints hold that alone, so a run goes on only on top of the same model.
///
///     let model = try pretrained.makeModel()
///     try model.addLowRankAdapters(rank: 8, to: ["q_proj", "v_proj"], using: &generator)
///     let run = try FineTuning(
///       at: "run", model: model, options, training: examples, identity: ["method": "LoRA"])
///     let report = try run.train { print($0.note) }
///     try LowRankAdapterFolder.write(model, baseModel: pretrained.path, to: folder)
public final class FineTuning {
  /// The folder of the run.
  public let path: String
  /// How it is trained.
  public let options: FineTuningOptions
  /// What is trained.
  public let model: DecoderModel
  /// The optimizer's steps of the whole run.
  public let steps: Int
  /// Asked before each step, and while the loss is measured, whether to stop; once true, it stays so.
  public var shouldStop: () -> Bool = { false }
  private let training: TuningExamples
  private let validation: TuningExamples?
  private let settings: FineTuningSettings
  /// The validation loss before the first step, once it is known.
  private var lossBefore: Double?

  /// A run in a folder, which is made when there is none.
  ///
  /// - Parameters:
  ///   - path: the folder of the run.
  ///   - model: what is tuned: its trainable parameters.
  ///   - options: how it is trained.
  ///   - training: the examples.
  ///   - validation: examples that are never trained on; nil measures nothing.
  ///   - identity: what else decides the numbers, by name: the digest of the base model, the method, the
  ///     scheme. The folder goes on only with the same.
  /// - Throws: `FineTuningError` if model, examples and options do not fit.
  public init(
    at path: String,
    model: DecoderModel,
    _ options: FineTuningOptions,
    training: TuningExamples,
    validation: TuningExamples? = nil,
    identity: [String: String] = [:]
  ) throws(FineTuningError) {
    self.path = path
    self.options = options
    self.model = model
    self.training = training
    self.validation = validation
    if let fault = options.fault { throw FineTuningError("the option \(fault)") }
    try Self.check(training, "training", model.configuration)
    if let validation { try Self.check(validation, "validation", model.configuration) }
    let batches = (training.count + options.batchSize - 1) / options.batchSize * options.epochs
    steps = options.steps ?? (batches + options.accumulation - 1) / options.accumulation
    guard options.warmUpSteps <= steps else {
      throw FineTuningError("a warm-up of \(options.warmUpSteps) exceeds the \(steps) steps")
    }
    settings = FineTuningSettings(options, model, training, validation, identity)
    guard !settings.trained.isEmpty else {
      throw FineTuningError(
        "no parameter of the model is trainable: load it trainable, or add adapters"
      )
    }
  }

  private static func check(
    _ examples: TuningExamples,
    _ what: String,
    _ shape: TransformerConfiguration
  ) throws(FineTuningError) {
    guard examples.count > 0 else {
      throw FineTuningError("there are no \(what) examples; is the text shorter than one window?")
    }
    guard examples.vocabularyCount <= shape.vocabularyCount else {
      throw FineTuningError(
        "the \(what) examples have ids up to \(examples.vocabularyCount - 1), the model a vocabulary "
          + "of \(shape.vocabularyCount); encode them with the model's tokenizer"
      )
    }
    guard examples.report.longest <= shape.contextLength else {
      throw FineTuningError(
        "a \(what) example of \(examples.report.longest) tokens exceeds the model's context of "
          + "\(shape.contextLength); allow a smaller length"
      )
    }
  }
}

// MARK: - Training

extension FineTuning {
  /// Trains from where the folder's newest checkpoint stands to the end.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: what came of it; a divergence is a result, not an error.
  /// - Throws: `FineTuningError` if the folder belongs to a run with other settings, examples or
  ///   parameters; `TrainingError`, `RunLogError`.
  public func train(
    progress: ((TrainingProgress) -> Void)? = nil
  ) throws -> FineTuningReport {
    try settings.claim(path)
    let run = trainingRun(progress)
    let batches = training.batches(
      of: options.batchSize,
      order: .shuffled(seed: options.seed),
      epochs: options.steps == nil ? options.epochs : nil
    )
    do {
      let report = try run.train(
        on: batches,
        weighting: { Double(TuningExamples.targetCount($0)) }
      ) { batch, step in
        if step.step == 1, lossBefore == nil {
          lossBefore = validationLoss()
          if validation != nil, lossBefore == nil { throw Stopped() }
        }
        step.count("tokens", batch.tokens.count)
        step.count("targets", TuningExamples.targetCount(batch))
        return model.loss(batch.tokens, targets: batch.targets)
      }
      return try finished(report.ending == .finished ? .finished : .stopped, report.step)
    } catch TrainingError.diverged(let step, _, _, _) {
      return try finished(.diverged, step)
    } catch TrainingError.failed(_, let error) where error is Stopped {
      return try finished(.stopped, 0)
    }
  }

  /// It was told to stop while the loss before the first step was measured.
  private struct Stopped: Error {}

  private func trainingRun(_ progress: ((TrainingProgress) -> Void)?) -> TrainingRun {
    var settings = TrainingOptions(seed: options.seed, steps: options.steps)
    settings.accumulation = options.accumulation
    settings.maximumGradientNorm = options.maximumGradientNorm
    settings.evaluationInterval = options.evaluationInterval ?? steps
    settings.checkpointInterval = options.checkpointInterval ?? (steps + 9) / 10
    settings.keptCheckpoints = options.keptCheckpoints
    settings.savedState = .trainable
    var run = TrainingRun(at: path, model: model, optimizer: optimizer(), options: settings)
    let schedule = options.schedule(steps: steps)
    // Hugging Face's numbers: the last step is the last before 0.
    run.learningRate = { schedule($0 - 1) }
    if validation != nil {
      run.evaluation = { [self] in
        validationLoss().map { [Self.validationName: $0] } ?? [:]
      }
    }
    run.progress = progress
    run.shouldStop = shouldStop
    run.willSave = { [self] checkpoint in
      if let lossBefore { checkpoint.values[Self.beforeName] = lossBefore }
    }
    run.didResume = { [self] saved in
      guard saved.valueNames.contains(Self.beforeName) else { return }
      lossBefore = try saved.value(Self.beforeName, as: Double.self)
    }
    return run
  }

  private static let validationName = "validation loss"
  private static let beforeName = "validation loss before"

  private func optimizer() -> any TrainingOptimizer {
    let trained = model.namedParameters().filter(\.parameter.isTrainable)
    let optimizer = AdamW(
      [
        ParameterGroup(trained.filter { $0.parameter.shape.rank > 1 }),
        ParameterGroup(trained.filter { $0.parameter.shape.rank < 2 }, weightDecay: 0),
      ],
      learningRate: options.learningRate,
      betas: (options.beta1, options.beta2),
      epsilon: options.epsilon,
      weightDecay: options.weightDecay
    )
    return options.isRelative
      ? RelativeSteps(optimizer, of: trained.map(\.parameter)) : optimizer
  }

  /// The mean loss over all targets of the validation examples in nats, without gradients; nil
  /// without such examples, and when it is told to stop.
  public func validationLoss() -> Double? {
    validation.flatMap { examples in
      examples.meanLoss(of: model, batchSize: options.batchSize) { _ in !shouldStop() }
    }
  }

  private func finished(
    _ ending: FineTuningReport.Ending,
    _ step: Int
  ) throws -> FineTuningReport {
    let records = try RunLog.read(path + "/log.jsonl")
    func sum(_ name: String) -> Int { records.reduce(0) { $0 + Int($1.metrics[name] ?? 0) } }
    let measured = records.compactMap { record in
      record.metrics[Self.validationName].map {
        FineTuningReport.Measurement(step: record.step, loss: $0)
      }
    }
    let (count, seconds) = (model.parameterCount, records.last?.seconds ?? 0)
    // The last measurement may have been stopped.
    let last = measured.last.flatMap { $0.step == steps ? $0.loss : nil }
    let loss = ending == .finished ? last ?? validationLoss() : last
    let isCut = ending == .finished && validation != nil && loss == nil
    return FineTuningReport(
      ending: isCut ? .stopped : ending,
      step: step,
      totalSteps: steps,
      trainableCount: count.trainable,
      parameterCount: count.total,
      losses: records.compactMap { $0.metrics["loss"] },
      validationLossBefore: lossBefore,
      validationLoss: loss,
      validationLosses: measured,
      tokens: sum("tokens"),
      targets: sum("targets"),
      seconds: seconds,
      tokensPerSecond: seconds > 0 ? Double(sum("tokens")) / seconds : 0,
      peakTensorBytes: records.map(\.memory.peakTensorBytes).max() ?? 0
    )
  }
}

/// What decides the bits of a run, in its folder as `run.json`: a run goes on only with the same.
struct FineTuningSettings: Codable {
  var configuration: TransformerConfiguration
  var options: FineTuningOptions
  var identity: [String: String]
  /// The digests of the examples.
  var training: String
  var validation: String?
  /// The extents of what is trained, by name.
  var trained: [String: [Int]]

  init(
    _ options: FineTuningOptions,
    _ model: DecoderModel,
    _ training: TuningExamples,
    _ validation: TuningExamples?,
    _ identity: [String: String]
  ) {
    configuration = model.configuration
    self.options = options
    self.identity = identity
    self.training = training.digest
    self.validation = validation?.digest
    trained = Dictionary(
      model.namedParameters().filter(\.parameter.isTrainable)
        .map { ($0.name, $0.parameter.shape.extents) },
      uniquingKeysWith: { first, _ in first }
    )
    // What is only watched does not matter.
    self.options.evaluationInterval = nil
    self.options.checkpointInterval = nil
    self.options.keptCheckpoints = 1
  }

  /// Writes the settings into a run's folder, or compares them with those that are there.
  ///
  /// - Throws: `FineTuningError` that names the first setting that differs.
  func claim(_ folder: String) throws {
    do throws(FileProblem) { try makeFolder(folder) } catch {
      throw FineTuningError("the folder \(folder) cannot be made: \(error)")
    }
    let reason = try TrainingJSON.refusal(of: self, at: folder + "/run.json", what: "run")
    if let reason { throw FineTuningError(reason) }
  }
}
