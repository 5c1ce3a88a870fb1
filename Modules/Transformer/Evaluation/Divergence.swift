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
    try ReferenceReading(self, of: tokens, options: options, keptBytes: 0)
      .compared(with: models, progress: progress)
  }
}

/// A model that reads a text once, for all models that are compared with it one after the other.
///
/// Its states before the head are kept, and not the logits, which are V / D times as large: the blocks do
/// not run again for a window that is kept, the head does.
package final class ReferenceReading {
  private let model: DecoderModel
  private let tokens: [Int32]
  private let options: PerplexityOptions
  private let windows: [PerplexityWindow]
  private let keptBytes: Int
  private var bytes = 0
  private var kept: [Int: Tensor<Float>] = [:]
  /// How often the blocks have read a window.
  package private(set) var readCount = 0

  /// Cuts a text into windows, and reads none yet.
  ///
  /// - Parameters:
  ///   - model: what others are compared with.
  ///   - tokens: the text's ids, without a leading BOS.
  ///   - options: windows and weighting.
  ///   - keptBytes: how much the states of windows may take; windows beyond are read each time.
  /// - Throws: `PerplexityError` if the text is too short or the options do not fit.
  package init(
    _ model: DecoderModel,
    of tokens: [Int32],
    options: PerplexityOptions,
    keptBytes: Int
  ) throws(PerplexityError) {
    (self.model, self.tokens, self.options) = (model, tokens, options)
    self.keptBytes = keptBytes
    windows = try model.perplexityWindows(tokenCount: tokens.count, options: options)
  }

  /// The perplexities of the reference and of models, as `DecoderModel.compared` finds them.
  package func compared(
    with models: [DecoderModel],
    progress: (ModelComparison) -> Bool = { _ in true }
  ) -> ModelComparison {
    let empty = PerplexityReport(weighting: options.weighting, windowCount: windows.count)
    var result = ModelComparison(
      reference: empty,
      models: models.map { _ in DivergenceReport(perplexity: empty) }
    )
    for (number, window) in windows.enumerated() {
      let ids = (options.leadingToken.map { [$0] } ?? []) + tokens[window.tokens]
      var sums = [Double](repeating: 0, count: models.count + 1)
      let reference = states(ofWindow: number, ids)  // [T−1 × D]
      let others = models.map { $0.hiddenStates(ids.dropLast(), cache: $0.makeCache()) }
      let (rowCount, chunk) = (reference.shape[0], DecoderModel.logitRows)
      for first in stride(from: rowCount - window.predicted, to: rowCount, by: chunk) {
        let rows = first..<min(first + chunk, rowCount)
        let targets = rows.map { ids[$0 + 1] }
        let expected = model.logits(reference[rows]).logSoftmax()
        let probabilities = expected.exp()
        let largest = expected.argMax(axis: 1).elements
        sums[0] += Self.losses(expected, targets)
        for (place, model) in models.enumerated() {
          let found = model.logits(others[place][rows]).logSoftmax()
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

  /// The reference's states before the head in a window of these ids; [T−1 × D].
  private func states(ofWindow number: Int, _ ids: [Int32]) -> Tensor<Float> {
    if let states = kept[number] { return states }
    readCount += 1
    let states = model.hiddenStates(ids.dropLast(), cache: model.makeCache())
    let size = states.shape.count * MemoryLayout<Float>.stride
    if size <= keptBytes - bytes {
      bytes += size
      kept[number] = states
    }
    return states
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
