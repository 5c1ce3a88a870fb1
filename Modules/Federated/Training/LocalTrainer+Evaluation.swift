import Autograd
import Tensor

/// How well a model predicts.
public struct Evaluation: Codable, Hashable, Sendable {
  /// The number of predictions.
  public var count = 0
  /// Those whose largest logit is that of the class.
  public var correct = 0
  /// The sum of the cross-entropies.
  public var lossSum = 0.0

  /// No predictions.
  public init() {}

  /// The share of correct predictions; NaN without any.
  public var accuracy: Double { Double(correct) / Double(count) }
  /// The mean cross-entropy; NaN without predictions.
  public var loss: Double { lossSum / Double(count) }

  /// Adds the predictions of another part.
  public mutating func add(_ other: Evaluation) {
    count += other.count
    correct += other.correct
    lossSum += other.lossSum
  }
}

extension LocalTrainer {
  /// What the norms of a network have seen: only static batch norms have something to tell.
  typealias NormStatistics = [RunningStatistics]

  /// The number of examples that are evaluated at once: at most 250, and so many that the logits of
  /// all predictions stay below 64 MiB.
  var evaluationBatch: Int { Self.evaluationBatch(of: task) }

  /// The number of examples of a task that are evaluated at once.
  static func evaluationBatch(of task: any FederatedTask) -> Int {
    max(min(250, (1 << 24) / max(task.predictionsPerExample * task.classCount, 1)), 1)
  }

  /// The predictions for some examples.
  ///
  /// - Parameters:
  ///   - model: the model; its forms and masks hold.
  ///   - examples: numbers of examples.
  ///   - part: of which part.
  ///   - queryExamples: training examples from which static batch norms take their statistics.
  /// - Returns: one evaluation of all examples.
  /// - Throws: `LocalTrainingError` where the model does not fit the task.
  public func evaluate(
    _ model: LocalModel,
    examples: [Int32],
    of part: ExamplePart,
    queryExamples: [Int32] = []
  ) throws(LocalTrainingError) -> Evaluation {
    let statistics = try normStatistics(of: model, over: queryExamples)
    return try evaluate(model, examples: examples, of: part, norms: statistics)
  }

  func evaluate(
    _ model: LocalModel,
    examples: [Int32],
    of part: ExamplePart,
    norms: NormStatistics,
    each: (_ example: Int32, _ correct: Int, _ loss: Double) -> Void = { _, _, _ in }
  ) throws(LocalTrainingError) -> Evaluation {
    let network = try loaded(model)
    for (norm, statistics) in zip(network.norms, norms) {
      norm.statistics = statistics
      norm.mode = .fixed
    }
    var result = Evaluation()
    for first in stride(from: 0, to: examples.count, by: evaluationBatch) {
      let batch = Array(examples[first..<min(first + evaluationBatch, examples.count)])
      result.add(Self.predict(network, batch, part, each))
    }
    return result
  }

  private static func predict(
    _ network: CachedNetwork,
    _ batch: [Int32],
    _ part: ExamplePart,
    _ each: (Int32, Int, Double) -> Void
  ) -> Evaluation {
    let (output, losses) = withoutGradients {
      let output = network.module(batch, of: part, scale: 1)
      return (output, output.logits.value.crossEntropy(targets: output.targets).elements)
    }
    let found = output.logits.value.argMax(axis: 1).elements
    let targets = output.targets.elements
    let rows = targets.count / max(batch.count, 1)
    var result = Evaluation()
    for (place, example) in batch.enumerated() {
      var (correct, loss) = (0, 0.0)
      for row in place * rows..<(place + 1) * rows {
        if found[row] == targets[row] { correct += 1 }
        loss += Double(losses[row])
      }
      each(example, correct, loss)
      result.correct += correct
      result.lossSum += loss
      result.count += rows
    }
    return result
  }

  /// Runs training examples through a model with static batch norms, and reads what they saw.
  func normStatistics(
    of model: LocalModel,
    over examples: [Int32]
  ) throws(LocalTrainingError) -> NormStatistics {
    let network = try loaded(model)
    guard !network.norms.isEmpty, !examples.isEmpty else { return [] }
    for norm in network.norms { norm.mode = .query }
    for first in stride(from: 0, to: examples.count, by: evaluationBatch) {
      let batch = Array(examples[first..<min(first + evaluationBatch, examples.count)])
      _ = withoutGradients { network.module(batch, of: .training, scale: 1) }
    }
    for norm in network.norms { norm.finishQuery() }
    return network.norms.map(\.statistics)
  }

  private func loaded(_ model: LocalModel) throws(LocalTrainingError) -> CachedNetwork {
    let network = try network(for: model)
    do throws(FederatedError) {
      try LocalWeights(model, network: network.parameters).install()
    } catch {
      throw .parameters(error)
    }
    return network
  }
}
