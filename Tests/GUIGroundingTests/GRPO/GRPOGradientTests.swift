import Autograd
import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct GRPOGradientTests {
  /// Every reduction at both levels, with and without a reference, δ and ℓ_old.
  static let variants: [GRPOSettings] = GRPOReduction.allCases.flatMap { reduction in
    RatioLevel.allCases.flatMap { level in
      [0, 0.3].flatMap { beta in
        [nil, 1.1].map { delta in
          var settings = GRPOSettings()
          settings.reduction = reduction
          settings.ratioLevel = level
          settings.beta = beta
          settings.delta = delta
          settings.epsilonLow = 0.1
          settings.epsilonHigh = 0.25
          settings.maxCompletionLength = 9
          return settings
        }
      }
    }
  }

  @Test(arguments: variants)
  func slopesAgreeWithCentralDifferences(_ settings: GRPOSettings) {
    for (seed, hasOld) in [(1, true), (2, true), (3, false)] {
      let oracle = GRPOOracle(settings, seed: UInt64(seed), hasOld: hasOld, isSmall: true)
      let (loss, gradient) = oracle.analytic
      expectClose([loss], [oracle.loss(oracle.logits)], relative: 1e-12, absolute: 1e-14)
      let expected = oracle.differences()
      let scale = expected.map(abs).max() ?? 0
      #expect(scale > 1e-4)
      expectClose(gradient, expected, absolute: 1e-6 * scale, "\(settings)")
    }
  }

  @Test func clampedDivergenceHasItsSlopes() {
    var settings = GRPOSettings()
    settings.beta = 0.5
    settings.klEstimator = .clampedK3
    settings.reduction = .dapo
    var oracle = GRPOOracle(settings, seed: 4)
    // Far beyond both clamps, and beyond the one of the result only.
    let places = oracle.mask.indices.filter { oracle.mask[$0] }
    oracle.reference[places[0]] += 30
    oracle.reference[places[1]] += 4
    oracle.reference[places[2]] -= 25
    let expected = oracle.differences()
    let scale = expected.map(abs).max() ?? 0
    expectClose(oracle.analytic.gradient, expected, absolute: 1e-6 * scale)
  }

  @Test(arguments: variants)
  func operationsAgreeWithTheirDefinition(_ settings: GRPOSettings) throws {
    let oracle = GRPOOracle(settings, seed: 5)
    let exact = oracle.analytic
    let shape: Shape = [oracle.rows, oracle.width, oracle.vocabulary]
    let logits = Variable(following: Tensor(oracle.logits.map { Float($0) }, shape: shape))
    let (loss, metrics) = grpoLoss(logits: logits, batch: oracle.batch, settings: settings)
    expectClose([Double(loss.item)], [exact.loss], relative: 1e-5, absolute: 2e-6)
    #expect(metrics.tokenCount == oracle.mask.count { $0 })
    // An upstream factor, and twice over one tape: the saved gradient must stay as it is.
    loss.backward(from: Tensor([-2], shape: []), keepingTape: true)
    loss.backward(from: Tensor([3], shape: []))
    let found = try #require(logits.gradient).elements.map(Double.init)
    let scale = exact.gradient.map(abs).max() ?? 0
    expectClose(found, exact.gradient, absolute: 4e-6 * max(scale, 0.1))
  }

  @Test func groupsWithEqualRewardsHaveNoGradient() throws {
    var settings = GRPOSettings()
    settings.groupSize = 3
    settings.beta = 0
    for scaling in AdvantageScaling.allCases {
      settings.scaling = scaling
      let rewards = [0.1, 0.1, 0.1, 1, 0, 0.7]
      let groups = GroupAdvantages(rewards: rewards, settings: settings)
      #expect(groups.advantages[..<3].allSatisfy { $0 == 0 })
      #expect(groups.advantages[3...].allSatisfy { $0 != 0 })
      #expect(groups.deadGroupShare == 0.5)
      let gradient = try gradient(groups, settings)
      #expect(gradient[..<3].allSatisfy { $0.allSatisfy { $0 == 0 } })
      #expect(gradient[3].contains { $0 != 0 })
    }
  }

  @Test func theReferencePullsOnEqualRewardsUnlessTheyAreMasked() throws {
    var settings = GRPOSettings()
    settings.groupSize = 3
    settings.beta = 0.1
    let groups = GroupAdvantages(rewards: [0, 0, 0, 1, 0, 0], settings: settings)
    #expect(try gradient(groups, settings)[0].contains { $0 != 0 })
    settings.maskZeroVarianceGroups = true
    let masked = try gradient(groups, settings)
    #expect(masked[..<3].allSatisfy { $0.allSatisfy { $0 == 0 } })
    #expect(masked[3].contains { $0 != 0 })
  }

  /// The gradient of each row.
  private func gradient(
    _ groups: GroupAdvantages,
    _ settings: GRPOSettings
  ) throws -> [[Float]] {
    var oracle = GRPOOracle(settings, seed: 6)
    oracle.advantages = groups.advantages
    let plain = oracle.batch
    let batch = GRPOBatch(
      tokens: plain.tokens,
      mask: plain.mask,
      groups: groups,
      settings: settings,
      oldLogProbabilities: plain.oldLogProbabilities,
      referenceLogProbabilities: plain.referenceLogProbabilities
    )
    let shape: Shape = [oracle.rows, oracle.width, oracle.vocabulary]
    let logits = Variable(following: Tensor(oracle.logits.map { Float($0) }, shape: shape))
    grpoLoss(logits: logits, batch: batch, settings: settings).loss.backward()
    let elements = try #require(logits.gradient).elements
    let size = oracle.width * oracle.vocabulary
    return (0..<oracle.rows).map { Array(elements[$0 * size..<($0 + 1) * size]) }
  }
}
