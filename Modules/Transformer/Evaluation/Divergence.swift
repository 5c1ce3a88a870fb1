import Autograd
import Tensor

/// How a model's predictions of a text differ from a reference's.
public struct DivergenceReport: Codable, Hashable, Sendable {
  /// The model's own losses.
  public var perplexity: PerplexityReport
  /// Σ over predicted tokens of KL(reference ‖ model), in nats.
  public var divergenceSum = 0.0
  /// How many tokens both predict alike: with the same largest logit.
  public var agreementCount = 0

  /// The mean of KL(reference ‖ model) over predicted tokens, in nats.
  public var klDivergence: Double { divergenceSum / Double(max(perplexity.tokenCount, 1)) }
  /// The share of tokens whose largest logit is the reference's; no number where the divergence is
  /// none, for models of NaN agree in nothing.
  public var topAgreement: Double {
    divergenceSum.isNaN ? .nan : Double(agreementCount) / Double(max(perplexity.tokenCount, 1))
  }
}

/// A reference's perplexity and how models differ from it, so far or at the end.
public struct ModelComparison: Codable, Hashable, Sendable {
  /// The reference's losses.
  public var reference: PerplexityReport
  /// The models, in their order.
  public var models: [DivergenceReport]
}

extension DecoderModel {
  /// The perplexities of a reference and of models on one text, and how far their predictions are
  /// from the reference's.
  ///
  /// - Parameters:
  ///   - models: what is compared; with the reference's vocabulary.
  ///   - tokens: the text's ids, without a leading BOS.
  ///   - options: windows and weighting.
  ///   - progress: sees the numbers after every window; return false to stop early.
  /// - Returns: what was found in the windows that were read.
  /// - Throws: `PerplexityError` if the text is too short or the options do not fit.
  public func compared(
    with models: [DecoderModel],
    on tokens: [Int32],
    options: PerplexityOptions = PerplexityOptions(),
    progress: (ModelComparison) -> Bool = { _ in true }
  ) throws(PerplexityError) -> ModelComparison {
    let windows = try perplexityWindows(tokenCount: tokens.count, options: options)
    let empty = PerplexityReport(weighting: options.weighting, windowCount: windows.count)
    var result = ModelComparison(
      reference: empty,
      models: models.map { _ in DivergenceReport(perplexity: empty) }
    )
    for window in windows {
      let ids = (options.leadingToken.map { [$0] } ?? []) + tokens[window.tokens]
      var sums = [Double](repeating: 0, count: models.count + 1)
      let states = ([self] + models).map { model in
        model.hiddenStates(ids.dropLast(), cache: model.makeCache())  // [T−1 × D]
      }
      let rowCount = states[0].shape[0]
      for first in stride(from: rowCount - window.predicted, to: rowCount, by: Self.logitRows) {
        let rows = first..<min(first + Self.logitRows, rowCount)
        let targets = rows.map { ids[$0 + 1] }
        let expected = logits(states[0][rows]).logSoftmax()
        let probabilities = expected.exp()
        let largest = expected.argMax(axis: 1).elements
        sums[0] += Self.losses(expected, targets)
        for (place, model) in models.enumerated() {
          let found = model.logits(states[place + 1][rows]).logSoftmax()
          sums[place + 1] += Self.losses(found, targets)
          let divergences = (probabilities * (expected - found)).sum(axes: [1])
          result.models[place].divergenceSum += divergences.elements.reduce(0) { $0 + Double($1) }
          let tops = found.argMax(axis: 1).elements
          result.models[place].agreementCount += zip(tops, largest).count { $0 == $1 }
        }
      }
      result.reference.add(sums[0], tokens: window.predicted)
      for place in models.indices {
        result.models[place].perplexity.add(sums[place + 1], tokens: window.predicted)
      }
      guard progress(result) else { break }
    }
    return result
  }

  /// The sum of the negative log-likelihoods of targets, from logarithms of probabilities [rows × V].
  private static func losses(_ logProbabilities: Tensor<Float>, _ targets: [Int32]) -> Double {
    let width = logProbabilities.shape[1]
    return logProbabilities.withUnsafeElements { values in
      zip(targets, 0...).reduce(0) { $0 - Double(values[$1.1 * width + Int($1.0)]) }
    }
  }
}

extension PerplexityReport {
  /// Adds a window by the sum of its losses.
  fileprivate mutating func add(_ sum: Double, tokens: Int) {
    windowLosses.append(sum / Double(tokens))
    windowTokens.append(tokens)
  }
}
