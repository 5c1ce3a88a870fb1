import Foundation
import Tensor

/// The loss of a batch and its slopes by the log-probabilities of the tokens, in double.
///
/// Per token, with ℓ = log π(a_t), the advantage A of its row and M = 1 for tokens that count:
///
///     ρ  = exp(ℓ − ℓ_old)                                     token level
///     ρ  = exp(Σ M·(ℓ − ℓ_old) / max(1, Σ M)) of the row      sequence level
///     ρ' = clamp(ρ, 1 − ε_low, 1 + ε_high),   u = min(ρ, δ) where a δ is given
///     L  = −min(u·A, ρ'·A) + β·k3,   k3 = exp(d) − d − 1,   d = ℓ_ref − ℓ
///
/// The loss is Σ w·L with the weights w of the reduction. Its slope by ℓ is w·(−A·ρ + β·(1 − exp d)),
/// without the first part where the minimum is a constant: clipped, or cut by δ. Where both branches
/// are equal each passes half. At sequence level the first part belongs to the row: the sum of the
/// row's weights takes w's place, and M / max(1, Σ M) shares it out.
///
/// - Source: Shao et al. 2024, "DeepSeekMath", equation 21; Yu et al. 2025, "DAPO"; Liu et al. 2025,
///   "Understanding R1-Zero-Like Training" (Dr. GRPO); Zheng et al. 2025, "GSPO"; `GRPOTrainer` of
///   trl for what they leave open.
package struct GRPOTerms {
  /// What the terms are made of besides ℓ.
  package struct Input {
    package var rows: Int
    package var width: Int
    package var mask: [Bool]
    package var advantages: [Double]
    package var old: [Double]?
    package var reference: [Double]?
    package var activeTokenCount: Int?
    package var microBatchCount = 1

    /// The same as a batch of tensors.
    package init(_ batch: GRPOBatch) {
      func doubles(_ tensor: Tensor<Float>?) -> [Double]? {
        tensor.map { $0.withUnsafeElements { $0.map(Double.init) } }
      }
      (rows, width) = (batch.tokens.shape[0], batch.tokens.shape[1])
      mask = batch.mask.elements
      advantages = batch.advantages
      old = doubles(batch.oldLogProbabilities)
      reference = doubles(batch.referenceLogProbabilities)
      activeTokenCount = batch.activeTokenCount
      microBatchCount = batch.microBatchCount
    }
  }

  /// Σ w·L.
  package private(set) var loss = 0.0
  /// The slopes of the loss by ℓ [B · T]; 0 where the mask is.
  package private(set) var slopes: [Double]
  package private(set) var metrics = GRPOMetrics()

  private let input: Input
  private let settings: GRPOSettings
  /// Σ M of each row.
  private let lengths: [Int]

  /// Terms at the log-probabilities ℓ [B · T].
  package init(logProbabilities: [Double], _ input: Input, _ settings: GRPOSettings) {
    (self.input, self.settings) = (input, settings)
    slopes = Array(repeating: 0, count: logProbabilities.count)
    lengths = (0..<input.rows).map { row in
      input.mask[row * input.width..<(row + 1) * input.width].count { $0 }
    }
    metrics.tokenCount = lengths.reduce(0, +)
    metrics.completionLength = Double(metrics.tokenCount) / Double(max(input.rows, 1))
    metrics.kl = settings.beta == 0 ? nil : 0
    var ratios = RatioCounts()
    for row in 0..<input.rows {
      let weight = weight(ofTokensIn: row)
      switch settings.ratioLevel {
      case .token: addTokens(of: row, logProbabilities, weight, &ratios)
      case .sequence: addSequence(row, logProbabilities, weight, &ratios)
      }
      addReference(row, logProbabilities, weight)
    }
    finish(ratios)
  }

  private func places(of row: Int) -> some Collection<Int> {
    (row * input.width..<(row + 1) * input.width).lazy.filter { input.mask[$0] }
  }

  /// w: what a token's loss is multiplied by.
  private func weight(ofTokensIn row: Int) -> Double {
    let tokens = lengths.reduce(0, +)
    let parts = Double(max(input.microBatchCount, 1))
    return switch settings.reduction {
    case .grpo: 1 / (Double(input.rows) * Double(max(1, lengths[row])) * parts)
    case .bnpo: 1 / (Double(max(1, tokens)) * parts)
    case .drGRPO: 1 / (Double(input.rows) * Double(settings.maxCompletionLength) * parts)
    case .dapo: 1 / Double(max(1, input.activeTokenCount ?? tokens))
    }
  }

  private mutating func addTokens(
    of row: Int,
    _ l: [Double],
    _ weight: Double,
    _ ratios: inout RatioCounts
  ) {
    let advantage = input.advantages[row]
    for place in places(of: row) {
      let ratio = input.old.map { exp(l[place] - $0[place]) } ?? 1
      let term = clipped(ratio, advantage)
      loss += weight * term.value
      slopes[place] += weight * term.slope
      ratios.add(ratio, advantage, settings)
    }
  }

  private mutating func addSequence(
    _ row: Int,
    _ l: [Double],
    _ weight: Double,
    _ ratios: inout RatioCounts
  ) {
    let length = Double(max(1, lengths[row]))
    var sum = 0.0
    if let old = input.old {
      for place in places(of: row) { sum += l[place] - old[place] }
    }
    let ratio = exp(sum / length)
    let term = clipped(ratio, input.advantages[row])
    let rowWeight = weight * Double(lengths[row])
    loss += rowWeight * term.value
    for place in places(of: row) { slopes[place] += rowWeight * term.slope / length }
    ratios.add(ratio, input.advantages[row], settings)
  }

  /// −min(u·A, ρ'·A), and its slope by log ρ.
  private func clipped(_ ratio: Double, _ advantage: Double) -> (value: Double, slope: Double) {
    let low = 1 - settings.epsilonLow
    let high = 1 + settings.epsilonHigh
    let delta = settings.delta ?? .infinity
    let free = min(ratio, delta) * advantage
    let bounded = min(max(ratio, low), high) * advantage
    let freeSlope = ratio <= delta ? -advantage * ratio : 0
    let boundedSlope = ratio >= low && ratio <= high ? -advantage * ratio : 0
    if free < bounded { return (-free, freeSlope) }
    if bounded < free { return (-bounded, boundedSlope) }
    return (-free, (freeSlope + boundedSlope) / 2)
  }

  private mutating func addReference(_ row: Int, _ l: [Double], _ weight: Double) {
    guard settings.beta != 0, let reference = input.reference else { return }
    for place in places(of: row) {
      let term = divergence(reference[place] - l[place])
      loss += weight * settings.beta * term.value
      slopes[place] += weight * settings.beta * term.slope
      metrics.kl? += term.value
    }
  }

  /// k3 of d = ℓ_ref − ℓ, and its slope by ℓ.
  private func divergence(_ difference: Double) -> (value: Double, slope: Double) {
    switch settings.klEstimator {
    case .k3: return (exp(difference) - difference - 1, 1 - exp(difference))
    case .clampedK3:
      let d = min(max(difference, -20), 20)
      let value = exp(d) - d - 1
      let isFree = d == difference && value <= 10
      return (min(value, 10), isFree ? 1 - exp(d) : 0)
    }
  }

  private mutating func finish(_ ratios: RatioCounts) {
    metrics.loss = loss
    if let kl = metrics.kl { metrics.kl = kl / Double(max(1, metrics.tokenCount)) }
    guard ratios.count > 0 else { return }
    metrics.ratio = ratios.sum / Double(ratios.count)
    metrics.lowClipShare = Double(ratios.low) / Double(ratios.count)
    metrics.highClipShare = Double(ratios.high) / Double(ratios.count)
  }
}

/// How many ratios lie where they are clipped: of tokens, or of rows.
private struct RatioCounts {
  var count = 0
  var low = 0
  var high = 0
  var sum = 0.0

  mutating func add(_ ratio: Double, _ advantage: Double, _ settings: GRPOSettings) {
    count += 1
    sum += ratio
    if ratio < 1 - settings.epsilonLow, advantage < 0 { low += 1 }
    if ratio > 1 + settings.epsilonHigh, advantage > 0 { high += 1 }
  }
}
