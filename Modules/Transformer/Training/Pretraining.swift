public import Autograd
import Foundation
import Tensor

/// How a language model is trained from scratch.
///
/// The defaults are those of the small reproduction of Kim et al. 2025: AdamW with decay on matrices
/// alone, warm-up from one step's share, then a cosine to a tenth.
public struct PretrainingOptions: Codable, Hashable, Sendable {
  /// The seed of weights and batches.
  public var seed: UInt64 = 0
  /// The optimizer's steps.
  public var steps = 300
  /// The windows of a batch.
  public var batchSize = 4
  /// The batches whose gradients are added in a step.
  public var accumulation = 1
  /// T, the tokens of a window.
  public var length = 128
  /// How far apart windows begin; nil for T, so that an epoch reads each token once.
  public var stride: Int?
  /// The largest learning rate.
  public var learningRate: Float = 1e-3
  /// The steps of the warm-up, which is linear.
  public var warmUpSteps = 30
  /// The last learning rate as a part of the largest.
  public var finalRate: Float = 0.1
  /// Decoupled weight decay of matrices, embeddings included; norms and biases have none.
  public var weightDecay: Float = 0.033
  /// β₁ of AdamW.
  public var beta1 = 0.9
  /// β₂ of AdamW.
  public var beta2 = 0.95
  /// The largest norm of all gradients together; nil for no clipping.
  public var maximumGradientNorm: Float? = 1
  /// The deviation of the first weights; nil for that of width 1024 at 0.02.
  public var initialDeviation: InitialDeviation?
  /// Parameters that stay as they start, by a part of their name: `out_norm` freezes output norms.
  public var frozen: [String] = []
  /// The validation windows.
  public var validationWindows = 32
  /// Steps between evaluations; nil for the end alone.
  public var evaluationInterval: Int?
  /// Steps between probes; nil for start and end alone.
  public var probeInterval: Int?
  /// Steps between checkpoints; nil for the end and for stops alone.
  public var checkpointInterval: Int?
  /// Steps between lines of the log.
  public var logInterval = 1

  /// The defaults.
  public init() {}
}

/// What came of a pre-training run.
public struct PretrainingReport: Codable, Hashable, Sendable {
  /// Why it ended: all steps done, stopped, or a loss or gradient that was not finite.
  public enum Ending: String, Codable, Hashable, Sendable {
    /// All steps are done.
    case finished
    /// It was told to stop; the state is saved.
    case stopped
    /// A loss or a gradient was not finite.
    case diverged
  }

  /// Why it ended.
  public var ending: Ending
  /// The steps done.
  public var step: Int
  /// The numbers that are trained.
  public var parameterCount: Int
  /// The mean validation loss in nats at the end; nil where it was not reached.
  public var validationLoss: Double?
  /// The loss of each logged step.
  public var losses: [Double]
  /// The gradient norm of each logged step, before clipping.
  public var gradientNorms: [Double]
  /// The steps with a spike of the loss.
  public var spikes: [Int]
  /// The largest gradient norm after the warm-up.
  public var largestGradientNorm: Double
  /// Probes by the steps done before them.
  public var probes: [Probe]
  /// The RMS of the scales of the output norms at the end; nil without such norms.
  public var outputNormScale: Double?
  /// Seconds of training, pauses left out.
  public var seconds: Double

  /// A probe and when it was taken.
  public struct Probe: Codable, Hashable, Sendable {
    /// The steps done before.
    public var step: Int
    /// What it found.
    public var report: StabilityReport
  }
}

/// A pre-training run in a folder: it can be killed at any moment and goes on as if nothing had
/// happened.
///
///     let run = try Pretraining(at: "run", configuration, options, training: [tokens], validation: held)
///     let report = try run.train { print($0.note) }
///     try run.model.save(to: "model", documents: [:])
public final class Pretraining {
  /// The folder of the run.
  public let path: String
  /// How it is trained.
  public let options: PretrainingOptions
  /// What is trained.
  public let model: DecoderModel
  private let training: TokenWindows
  private let validation: TokenWindows
  private let settings: RunSettings
  /// Asked before each step whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// A run in a folder, which is made when there is none.
  ///
  /// - Parameters:
  ///   - path: the folder of the run.
  ///   - configuration: the shape of the model.
  ///   - options: how it is trained.
  ///   - training: the tokens.
  ///   - validation: tokens that are never trained on.
  /// - Throws: `PretrainingError` if tokens and shape do not fit.
  public init(
    at path: String,
    _ configuration: TransformerConfiguration,
    _ options: PretrainingOptions,
    training: [TokenFile],
    validation: TokenFile
  ) throws {
    self.path = path
    self.options = options
    settings = RunSettings(configuration, options, TextDigests(training, validation))
    for file in training + [validation]
    where file.vocabularyCount > configuration.vocabularyCount {
      throw PretrainingError(
        "\(file.path) has a vocabulary of \(file.vocabularyCount), the model one of "
          + "\(configuration.vocabularyCount)"
      )
    }
    guard options.length <= configuration.contextLength else {
      throw PretrainingError(
        "windows of \(options.length) exceed the model's context of \(configuration.contextLength)"
      )
    }
    self.training = TokenWindows(
      training,
      length: options.length,
      stride: options.stride ?? options.length
    )
    self.validation = TokenWindows(
      validation,
      length: options.length,
      count: options.validationWindows
    )
    guard self.training.count >= options.batchSize, self.validation.count > 0 else {
      throw PretrainingError(
        "the text is too short: \(self.training.count) training windows of \(options.length) "
          + "tokens and \(self.validation.count) for validation"
      )
    }
    let weights = InitialWeights(
      configuration,
      deviation: options.initialDeviation ?? .widthScaled(configuration.hiddenWidth),
      using: Philox(seed: options.seed)
    )
    model = try DecoderModel(configuration, weights: weights)
    let frozen = options.frozen
    let names = model.namedParameters().map(\.name)
    if let pattern = frozen.first(where: { pattern in !names.contains { $0.contains(pattern) } }) {
      throw PretrainingError("no parameter has '\(pattern)' in its name, so nothing can be frozen")
    }
    guard names.contains(where: { name in !frozen.contains { name.contains($0) } }) else {
      throw PretrainingError("all parameters are frozen, so nothing is left to train")
    }
    model.freeze { name in frozen.contains { name.contains($0) } }
  }

  /// Trains from where the folder's newest checkpoint stands to the end.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: what came of it; a divergence is a result, not an error.
  /// - Throws: `PretrainingError` if the folder belongs to a run with other settings, texts or steps;
  ///   `TrainingError`, `RunLogError`.
  public func train(
    progress: ((TrainingProgress) -> Void)? = nil
  ) throws -> PretrainingReport {
    try settings.claim(path)
    let optimizer = AdamW(
      .decayingMatrices(of: model),
      learningRate: options.learningRate,
      betas: (options.beta1, options.beta2),
      weightDecay: options.weightDecay
    )
    var settings = TrainingOptions(seed: options.seed, steps: options.steps)
    settings.accumulation = options.accumulation
    settings.maximumGradientNorm = options.maximumGradientNorm
    settings.logInterval = options.logInterval
    settings.evaluationInterval = options.evaluationInterval ?? options.steps
    settings.checkpointInterval = options.checkpointInterval
    var run = TrainingRun(at: path, model: model, optimizer: optimizer, options: settings)
    let schedule = LearningRateSchedule.cosine(
      from: options.learningRate,
      to: options.learningRate * options.finalRate,
      steps: options.steps,
      warmUpSteps: options.warmUpSteps
    )
    run.learningRate = { schedule($0) }
    run.evaluation = { [self] in ["validation loss": validationLoss()] }
    run.progress = progress
    run.shouldStop = shouldStop
    var probes: RunLog?
    run.didResume = { [path] saved in
      probes = try RunLog(path: path + "/probes.jsonl", resumingAfter: saved.step)
    }
    run.willSave = { _ in try probes?.synchronize() }
    let batches = training.batches(
      of: options.batchSize,
      order: .shuffled(seed: options.seed),
      dropsRemainder: true
    )
    var probed = -1
    do {
      let report = try run.train(on: batches) { batch, step in
        // Gradients are cleared between steps, so the first batch of a step is the place to probe.
        if isProbed(step.step - 1), probed != step.step {
          probed = step.step
          let log = try probes ?? RunLog(path: path + "/probes.jsonl", resumingAfter: 0)
          probes = log
          // A session that was killed may have got further than its checkpoint.
          if log.last.map({ $0.step < step.step - 1 }) ?? true {
            try probe(step.step - 1, into: log)
          }
        }
        return model.loss(batch.tokens, targets: batch.targets)
      }
      if report.ending == .finished {
        let log =
          try probes ?? RunLog(path: path + "/probes.jsonl", resumingAfter: options.steps)
        if log.last?.step != options.steps { try probe(options.steps, into: log) }
      }
      return try finished(report.ending == .finished ? .finished : .stopped, report.step)
    } catch TrainingError.diverged(let step, _, _, _) {
      return try finished(.diverged, step)
    }
  }

  /// The mean loss of the validation windows in nats, without gradients.
  public func validationLoss() -> Double {
    withoutGradients {
      var total = 0.0
      for first in stride(from: 0, to: validation.count, by: options.batchSize) {
        let indices = Array(first..<Swift.min(first + options.batchSize, validation.count))
        let batch = validation[indices]
        total +=
          Double(model.loss(batch.tokens, targets: batch.targets).item)
          * Double(indices.count)
      }
      return total / Double(validation.count)
    }
  }

  private func isProbed(_ step: Int) -> Bool {
    step == 0 || options.probeInterval.map { step % $0 == 0 } ?? false
  }

  /// The first validation windows of a batch's size, forward and backward.
  private func probe(_ step: Int, into log: RunLog) throws {
    let batch = validation[Array(0..<Swift.min(options.batchSize, validation.count))]
    let report = model.probeStability(batch.tokens, targets: batch.targets)
    try log.append(step: step, report.metrics)
  }

  private func finished(
    _ ending: PretrainingReport.Ending,
    _ step: Int
  ) throws -> PretrainingReport {
    let records = try RunLog.read(path + "/log.jsonl")
    let losses = records.compactMap { $0.metrics["loss"] }
    let norms = records.compactMap { record in
      record.metrics["gradient norm"].map { (step: record.step, norm: $0) }
    }
    let probes =
      FileManager.default.fileExists(atPath: path + "/probes.jsonl")
      ? try RunLog.read(path + "/probes.jsonl") : []
    let scales = model.namedParameters().filter { $0.name.contains("out_norm.weight") }
    let squares = scales.map { Double(($0.parameter.value * $0.parameter.value).mean()) }
    return PretrainingReport(
      ending: ending,
      step: step,
      parameterCount: model.parameterCount.total,
      validationLoss: records.last { $0.metrics["validation loss"] != nil }
        .flatMap { $0.step == options.steps ? $0.metrics["validation loss"] : nil },
      losses: losses,
      gradientNorms: norms.map(\.norm),
      spikes: lossSpikes(losses),
      largestGradientNorm: norms.filter { $0.step > options.warmUpSteps }.map(\.norm).max() ?? 0,
      probes: probes.compactMap { record in
        StabilityReport(metrics: record.metrics).map { .init(step: record.step, report: $0) }
      },
      outputNormScale: squares.isEmpty
        ? nil : (squares.reduce(0, +) / Double(squares.count)).squareRoot(),
      seconds: records.last?.seconds ?? 0
    )
  }
}

/// The steps, counted from 1, whose loss jumps: above the mean of the 20 losses before by more than
/// five of their standard deviations and by a tenth of a nat.
public func lossSpikes(_ losses: [Double]) -> [Int] {
  let count = 20
  guard losses.count > count else { return [] }
  return (count..<losses.count).compactMap { index in
    let before = losses[index - count..<index]
    let mean = before.reduce(0, +) / Double(count)
    let variance = before.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    let jump = losses[index] - mean
    return !(jump <= Swift.max(5 * variance.squareRoot(), 0.1)) ? index + 1 : nil
  }
}

/// Why a model cannot be trained.
public struct PretrainingError: Error, Equatable, CustomStringConvertible {
  /// The reason in one sentence.
  public let description: String

  init(_ reason: String) { description = "pre-training: " + reason }
}
