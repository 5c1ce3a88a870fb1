import Foundation
import GUIGrounding
import Tensor

/// The loss straight from its definition, in double: every sum written out, nothing shared with the
/// module.
struct GRPOOracle {
  var rows = 6
  var width = 5
  var vocabulary = 7
  var settings: GRPOSettings
  var tokens: [Int32] = []
  var mask: [Bool] = []
  var advantages: [Double] = []
  var old: [Float]?
  var reference: [Float] = []
  var logits: [Double] = []

  init(_ settings: GRPOSettings, seed: UInt64, hasOld: Bool = true, isSmall: Bool = false) {
    self.settings = settings
    // Differences take two losses for each logit.
    if isSmall { (rows, width, vocabulary) = (4, 3, 4) }
    var generator = Philox(seed: seed)
    func normal() -> Double {
      (0..<12).reduce(-6) { sum, _ in sum + Double(generator.uniform()) }
    }
    let count = rows * width
    logits = (0..<count * vocabulary).map { _ in normal() }
    tokens = (0..<count).map { _ in Int32(generator.integer(below: vocabulary)) }
    let lengths = (0..<rows).map { row in row == 1 ? 0 : 1 + generator.integer(below: width) }
    mask = (0..<count).map { place in place % width < lengths[place / width] }
    let exact = (0..<count).map { logProbability(logits, $0) }
    if hasOld { old = exact.map { Float($0 + 0.4 * normal()) } }
    reference = exact.map { Float($0 + 0.5 * normal()) }
    advantages = (0..<rows).map { _ in normal() }
  }

  func distribution(_ logits: [Double], _ place: Int) -> [Double] {
    let row = logits[place * vocabulary..<(place + 1) * vocabulary]
    let sum = row.reduce(0) { $0 + exp($1) }
    return row.map { exp($0) / sum }
  }

  func logProbability(_ logits: [Double], _ place: Int) -> Double {
    log(distribution(logits, place)[Int(tokens[place])])
  }

  /// The loss at logits; ℓ_old stays what it is, or what ℓ is at the oracle's own logits.
  func loss(_ logits: [Double]) -> Double {
    var rowSums: [Double] = []
    var lengths: [Double] = []
    for row in 0..<rows {
      let places = (row * width..<(row + 1) * width).filter { mask[$0] }
      let l = places.map { logProbability(logits, $0) }
      let oldL = places.map { place in
        old.map { Double($0[place]) } ?? logProbability(self.logits, place)
      }
      let differences = zip(l, oldL).map { $0 - $1 }
      let mean = differences.reduce(0, +) / Double(max(1, places.count))
      var sum = 0.0
      for (index, place) in places.enumerated() {
        let ratio = exp(settings.ratioLevel == .token ? differences[index] : mean)
        let clamped = min(max(ratio, 1 - settings.epsilonLow), 1 + settings.epsilonHigh)
        let free = min(ratio, settings.delta ?? .infinity)
        var term = -min(free * advantages[row], clamped * advantages[row])
        term += settings.beta * divergence(Double(reference[place]) - l[index])
        sum += term
      }
      rowSums.append(sum)
      lengths.append(Double(places.count))
    }
    let (total, tokens) = (rowSums.reduce(0, +), max(1, lengths.reduce(0, +)))
    switch settings.reduction {
    case .grpo:
      return zip(rowSums, lengths).reduce(0) { $0 + $1.0 / max(1, $1.1) } / Double(rows)
    case .bnpo, .dapo: return total / tokens
    case .drGRPO: return total / Double(rows * settings.maxCompletionLength)
    }
  }

  private func divergence(_ difference: Double) -> Double {
    switch settings.klEstimator {
    case .k3: return exp(difference) - difference - 1
    case .clampedK3:
      let d = min(max(difference, -20), 20)
      return min(max(exp(d) - d - 1, -10), 10)
    }
  }

  /// Central differences of the loss by every logit.
  func differences(step: Double = 1e-5) -> [Double] {
    var logits = logits
    return logits.indices.map { index in
      let value = logits[index]
      logits[index] = value + step
      let above = loss(logits)
      logits[index] = value - step
      let below = loss(logits)
      logits[index] = value
      return (above - below) / (2 * step)
    }
  }

  var batch: GRPOBatch {
    let shape: Shape = [rows, width]
    return GRPOBatch(
      tokens: Tensor(tokens, shape: shape),
      mask: Tensor(mask, shape: shape),
      advantages: advantages,
      oldLogProbabilities: old.map { Tensor($0, shape: shape) },
      referenceLogProbabilities: Tensor(reference, shape: shape)
    )
  }

  /// What the module makes of the same logits in double: its slopes through softmax.
  var analytic: (loss: Double, gradient: [Double]) {
    let l = (0..<rows * width).map { logProbability(logits, $0) }
    let terms = GRPOTerms(logProbabilities: l, GRPOTerms.Input(batch), settings)
    var gradient: [Double] = []
    for place in 0..<rows * width {
      let p = distribution(logits, place)
      for index in 0..<vocabulary {
        let isToken = index == Int(tokens[place])
        gradient.append(terms.slopes[place] * ((isToken ? 1 : 0) - p[index]))
      }
    }
    return (terms.loss, gradient)
  }
}
