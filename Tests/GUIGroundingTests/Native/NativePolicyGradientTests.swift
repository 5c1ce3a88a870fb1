import Autograd
import Foundation
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct NativePolicyGradientTests {
  /// The pointer's bias by its definition, in Double.
  private func oracle(_ inputs: [Tensor<Double>], _ groups: PointerGroups) -> Tensor<Double> {
    let (logits, scores, gates) = (inputs[0], inputs[1], inputs[2])
    let (rows, width, cells) = (logits.shape[0], logits.shape[1], scores.shape[1])
    var result = logits.elements
    let (a, g) = (scores.elements, gates.elements)
    func sum(_ row: Int, _ group: Int) -> Double {
      log(groups.cells[group].reduce(0) { $0 + exp(a[row * cells + Int($1)]) })
    }
    for row in 0..<rows {
      for place in 0..<16 {
        result[row * width + 17 + place] +=
          g[row * 4] * sum(row, place) + g[row * 4 + 1] * sum(row, 16 + place)
      }
      for bin in 0..<groups.binCount {
        result[row * width + 33 + bin] +=
          g[row * 4 + 2] * sum(row, 32 + bin)
          + g[row * 4 + 3] * sum(row, 32 + groups.binCount + bin)
      }
    }
    return Tensor(result, shape: logits.shape)
  }

  @Test(arguments: [(16, 16, 32), (8, 12, 20), (24, 10, 32)])
  func thePointersGradientIsThatOfItsDefinition(_ width: Int, _ height: Int, _ bins: Int) {
    let groups = PointerGroups(gridWidth: width, gridHeight: height, binCount: bins)
    GradientCheck()(
      "pointer bias",
      [[2, 33 + bins], [2, width * height], [2, 4]],
      of: { addingPointerBias(to: $0[0], scores: $0[1], gates: $0[2], groups: groups) },
      oracle: { oracle($0, groups) }
    )
  }

  @Test func scoresFarBelowTheLargestAreNotLost() {
    // One cell 200 above all others: sums of the other groups underflow beside it.
    let groups = PointerGroups(gridWidth: 16, gridHeight: 16, binCount: 32)
    var generator = Philox(seed: 1)
    var scores = Tensor<Float>.uniform([2, 256], using: &generator).elements
    scores[3] += 200
    let inputs = [
      Tensor<Float>.zeros([2, 65]), Tensor(scores, shape: [2, 256]),
      Tensor<Float>.uniform([2, 4], using: &generator),
    ]
    GradientCheck()(
      "pointer bias",
      inputs: inputs,
      of: { addingPointerBias(to: $0[0], scores: $0[1], gates: $0[2], groups: groups) },
      oracle: { oracle($0, groups) }
    )
  }

  @Test func groupsAreThoseOfTheStandardGrid() {
    let groups = PointerGroups(gridWidth: 16, gridHeight: 16, binCount: 32)
    func cells(_ rows: [Int32], _ columns: [Int32]) -> [Int32] {
      rows.flatMap { row in columns.map { row * 16 + $0 } }
    }
    let all = (0..<16).map { Int32($0) }
    // Row 2, column 3 of the coarse grid: rows 4 to 7, columns 8 to 11.
    #expect(groups.cells[6] == cells([4, 5, 6, 7], [8, 9, 10, 11]))
    // Row 1, column 2 inside any of them: rows 0, 4, 8, 12, columns 1, 5, 9, 13.
    #expect(groups.cells[16 + 1] == cells([0, 4, 8, 12], [1, 5, 9, 13]))
    // Bins 18 and 19 both are column 9.
    #expect(groups.cells[32 + 18] == cells(all, [9]))
    #expect(groups.cells[32 + 19] == cells(all, [9]))
    #expect(groups.cells[64 + 5] == cells([2], all))
  }

  @Test func groupsOfAnyGridCoverIt() {
    for (width, height) in [(4, 4), (10, 24), (16, 64), (33, 7)] {
      let groups = PointerGroups(gridWidth: width, gridHeight: height, binCount: 32)
      #expect(groups.cells.count == 96)
      for range in [0..<16, 16..<32, 32..<64, 64..<96] {
        let covered = Set(groups.cells[range].flatMap { $0 })
        #expect(covered == Set((0..<Int32(width * height))))
        #expect(groups.cells[range].allSatisfy { !$0.isEmpty })
      }
    }
  }

  /// The slope of GRPO's loss along each parameter's gradient, by central differences.
  @Test(arguments: [GRPOReduction.grpo, .drGRPO, .dapo], RatioLevel.allCases)
  func theLossFallsAlongItsGradient(_ reduction: GRPOReduction, _ level: RatioLevel) throws {
    let policy = smallPolicy(seed: 5)
    let loss = try policyLoss(of: policy, reduction, level)
    loss().backward()
    let gradients = policy.parameters().map(\.gradient)
    var checked = 0
    for (entry, gradient) in zip(policy.namedParameters(), gradients) {
      let name = entry.name
      guard let gradient else {
        Issue.record("\(name) has no gradient")
        continue
      }
      let norm = gradient.square().sum().squareRoot()
      // Below that, rounding of the loss is larger than its change.
      guard norm > 2e-3 else { continue }
      let value = entry.parameter.value
      let step = min(0.02, 0.002 / norm)
      entry.parameter.value = value + gradient * (step / norm)
      let above = withoutGradients { loss().item }
      entry.parameter.value = value - gradient * (step / norm)
      let below = withoutGradients { loss().item }
      entry.parameter.value = value
      let slope = (above - below) / (2 * step)
      // Float losses of about 1 and a change of 0.004: 1e-7 / 0.004 and the curvature.
      #expect(abs(slope - norm) < 0.02 * norm + 1e-4, "\(name): \(slope), gradient \(norm)")
      checked += 1
    }
    #expect(checked > 20)
  }

  /// The loss of responses whose old probabilities differ a little from the policy's, with a
  /// reference and a temperature.
  private func policyLoss(
    of policy: NativeGroundingPolicy,
    _ reduction: GRPOReduction,
    _ level: RatioLevel
  ) throws -> () -> Variable {
    let batch = try syntheticBatch(2, for: policy)
    var settings = GRPOSettings()
    (settings.reduction, settings.ratioLevel) = (reduction, level)
    (settings.groupSize, settings.beta) = (3, 0.05)
    (settings.epsilonLow, settings.epsilonHigh) = (0.5, 0.5)
    settings.maxCompletionLength = 11
    let context = batch.context(of: policy)
    let streams = (0..<6).map { Philox(seed: 8).fork($0) }
    let tokens = policy.rollOut(context, count: 3, generators: streams).tokens
    let improvement = PolicyImprovement(
      policy: policy,
      reference: smallPolicy(seed: 6).frozenCopy(),
      settings: settings,
      temperature: 0.8
    )
    let advantages = GroupAdvantages(rewards: [1, 0, 0.1, 0, 1, 1], settings: settings)
    var experience = PolicyExperience(tokens: tokens, advantages: advantages)
    _ = improvement.loss(&experience, batch: batch, context: context, keepsOld: true)
    var generator = Philox(seed: 9)
    let noise = Tensor<Float>.uniform(tokens.shape, from: -0.1, to: 0.1, using: &generator)
    let old = try #require(experience.oldLogProbabilities)
    experience.oldLogProbabilities = old + noise
    return {
      improvement.loss(
        &experience,
        batch: batch,
        context: batch.context(of: policy),
        keepsOld: true
      ).loss
    }
  }
}
