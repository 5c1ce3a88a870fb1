import Autograd
import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct GRPOTests {
  /// Rewards 1, 0, 0, 0: mean ¼, deviation √(¾ / 3) = ½.
  @Test func advantagesByHand() {
    var settings = GRPOSettings()
    settings.groupSize = 4
    settings.advantageEpsilon = 0
    let rewards: [Double] = [1, 0, 0, 0]
    let scaled = GroupAdvantages(rewards: rewards, settings: settings)
    expectClose(scaled.advantages, [1.5, -0.5, -0.5, -0.5], absolute: 1e-12)
    #expect(scaled.groupDeviations == [0.5] && scaled.rewardMean == 0.25)
    settings.scaling = .none
    let plain = GroupAdvantages(rewards: rewards, settings: settings)
    expectClose(plain.advantages, [0.75, -0.25, -0.25, -0.25], absolute: 1e-12)
  }

  @Test func rowsThatNobodyCouldJudgeTakeNoPart() {
    var settings = GRPOSettings()
    settings.groupSize = 3
    let known = GroupAdvantages(rewards: [1, 0, .nan, .nan, .nan, .nan], settings: settings)
    settings.groupSize = 2
    let pair = GroupAdvantages(rewards: [1, 0], settings: settings)
    #expect(Array(known.advantages[..<2]) == pair.advantages)
    #expect(known.advantages[2...].allSatisfy { $0 == 0 })
    #expect(known.groupDeviations[1] == 0 && known.rewardMean == 0.5)
  }

  @Test func microBatchesAddUpToTheWholeBatch() throws {
    for reduction in GRPOReduction.allCases where reduction != .bnpo {
      var settings = GRPOSettings()
      settings.reduction = reduction
      settings.maxCompletionLength = 8
      let oracle = GRPOOracle(settings, seed: 9)
      let whole = oracle.analytic.gradient
      var parts: [Double] = []
      for half in 0..<2 {
        var part = oracle
        part.rows = oracle.rows / 2
        let rows = half * part.rows..<(half + 1) * part.rows
        let places = rows.lowerBound * oracle.width..<rows.upperBound * oracle.width
        part.tokens = Array(oracle.tokens[places])
        part.mask = Array(oracle.mask[places])
        part.old = oracle.old.map { Array($0[places]) }
        part.reference = Array(oracle.reference[places])
        part.advantages = Array(oracle.advantages[rows])
        let size = oracle.vocabulary
        part.logits = Array(
          oracle.logits[places.lowerBound * size..<places.upperBound * size]
        )
        var batch = part.batch
        batch.microBatchCount = 2
        batch.activeTokenCount = oracle.mask.count { $0 }
        let shape: Shape = [part.rows, part.width, part.vocabulary]
        let logits = Variable(following: Tensor(part.logits.map { Float($0) }, shape: shape))
        grpoLoss(logits: logits, batch: batch, settings: settings).loss.backward()
        parts += try #require(logits.gradient).elements.map(Double.init)
      }
      expectClose(parts, whole, absolute: 2e-6, "\(reduction)")
    }
  }

  @Test func whatIsMaskedDoesNotMatter() throws {
    var settings = GRPOSettings()
    settings.beta = 0.2
    let oracle = GRPOOracle(settings, seed: 10)
    var dirty = oracle
    for place in oracle.mask.indices where !oracle.mask[place] {
      dirty.tokens[place] = -100
      dirty.old?[place] = .nan
      dirty.reference[place] = -.infinity
    }
    let shape: Shape = [oracle.rows, oracle.width, oracle.vocabulary]
    let value = Tensor(oracle.logits.map { Float($0) }, shape: shape)
    func run(_ oracle: GRPOOracle) throws -> (Float, Tensor<Float>) {
      let logits = Variable(following: value)
      let loss = grpoLoss(logits: logits, batch: oracle.batch, settings: settings).loss
      loss.backward()
      return (loss.item, try #require(logits.gradient))
    }
    let (clean, found) = (try run(oracle), try run(dirty))
    #expect(clean.0 == found.0 && clean.1 == found.1)
  }

  @Test func maskEndsWithTheFirstEndToken() {
    let tokens = Tensor<Int32>([[4, 9, 9, 1], [9, 1, 1, 1], [4, 4, 4, 4]])
    let (mask, truncated) = GRPOBatch.mask(of: tokens, endToken: 9)
    #expect(
      mask.elements == [true, true, false, false, true, false, false, false]
        + [true, true, true, true]
    )
    #expect(truncated == [false, false, true])
  }

  @Test func forbiddenTokensHaveNoShareInTheEntropy() {
    let logits = Tensor<Float>([0, 0, -.infinity, 0, 0, 0], shape: [1, 2, 3])
    let rows = tokenLogProbabilities(
      logits: logits,
      tokens: Tensor([[0, 2]]),
      mask: Tensor([true, true], shape: [1, 2])
    )
    expectClose(rows.logProbabilities.elements, [-0.6931472, -1.0986123], absolute: 1e-6)
    expectClose(rows.entropies.elements, [0.6931472, 1.0986123], absolute: 1e-6)
  }

  /// A wide vocabulary whose mass lies on few tokens, whatever the level of the logits.
  @Test func wideRowsAreExact() {
    var generator = Philox(seed: 3)
    let width = 4099
    let elements = (0..<width).map { _ in Float(90 + 8 * generator.uniform()) }
    let exact = elements.map(Double.init)
    let largest = exact.max() ?? 0
    let sum = exact.reduce(0) { $0 + exp($1 - largest) }
    let logSum = largest + log(sum)
    let entropy = exact.reduce(0) { $0 - exp($1 - logSum) * ($1 - logSum) }
    let rows = tokenLogProbabilities(
      logits: Tensor(elements, shape: [1, 1, width]),
      tokens: Tensor([[4098]]),
      mask: Tensor([true], shape: [1, 1])
    )
    expectClose([Double(rows.logProbabilities.item)], [exact[4098] - logSum], absolute: 2e-5)
    expectClose([Double(rows.entropies.item)], [entropy], absolute: 2e-4)
  }

  @Test func missingReferenceIsNamed() async {
    let result = await #expect(
      processExitsWith: .failure,
      observing: [\.standardErrorContent]
    ) {
      var settings = GRPOSettings()
      settings.beta = 0.1
      let batch = GRPOBatch(
        tokens: Tensor([[1]]),
        mask: Tensor([true], shape: [1, 1]),
        advantages: [1]
      )
      _ = grpoLoss(logits: Variable(Tensor.zeros([1, 1, 3])), batch: batch, settings: settings)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("needs the log-probabilities of the reference policy"))
  }
}
