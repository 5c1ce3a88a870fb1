import Tensor
import TestSupport
import Testing

@testable import Novelty

/// Properties of scores, curves and calibrations.
@Suite struct ScoreTests {
  private func normal(_ shape: Shape, _ seed: UInt64 = 1) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal(shape, using: &generator)
  }

  @Test func anglesDoNotDependOnLengths() {
    let (a, b) = (normal([9, 7]), normal([9, 7], 2))
    expectClose(latentAngles(a * 1e-3, b * 250), latentAngles(a, b), absolute: 1e-6)
  }

  @Test func anglesAreExactNearTheirEnds() {
    let a = Tensor<Float>([1, 0, 1, 0, 1, 0, 0, 0], shape: [4, 2])
    let b = Tensor<Float>([1, 1e-5, -1, 0, 2, 0, 3, 4], shape: [4, 2])
    // A row of zeros is at a right angle to everything.
    expectClose(latentAngles(a, b), [1e-5, .pi, 0, .pi / 2], relative: 1e-5)
  }

  @Test func whiteningWithoutSpreadIsZero() throws {
    let whitening = try Whitening(of: Tensor(repeating: 0.3, shape: [20, 5]))
    #expect(whitening.scores(of: normal([4, 5])) == [0, 0, 0, 0])
  }

  @Test(arguments: [(8, 30), (300, 6)]) func whitenedNormalsHaveOneSpread(
    rows: Int,
    width: Int
  ) throws {
    let x = normal([rows, width])
    let whitening = try Whitening(of: x)
    // Σ over rows of ‖Vᵀ(x − μ)/S‖² counts the kept directions.
    let sum = whitening.scores(of: x).reduce(0, +)
    expectClose([sum], [Float(whitening.projection.shape[1])], relative: 1e-3)
  }

  @Test func unknownScoresListTheKnown() {
    let error = #expect(throws: NoveltyError.self) { try NoveltyScore(named: "angel") }
    #expect(error.map { "\($0)".contains("angle") } == true)
    #expect((try? NoveltyScore(named: "sap")) == .sap)
  }

  // MARK: - Curves

  @Test func swappedLabelsTurnTheAreaRound() throws {
    let scores = normal([50]).elements.map { ($0 * 4).rounded() }
    let isNovel = (0..<50).map { $0 % 3 == 0 }
    let area = try #require(areaUnderROC(scores: scores, isNovel: isNovel))
    let turned = try #require(areaUnderROC(scores: scores.map { -$0 }, isNovel: isNovel))
    #expect(abs(area + turned - 1) < 1e-12)
  }

  /// Novel 3, 1; normal 0, 2: V₁₀ = (1, 1/2), V₀₁ = (1, 1/2), both variances 1/8.
  @Test func intervalByHand() throws {
    let interval = try DeLongInterval(
      scores: [3, 1, 0, 2],
      isNovel: [true, true, false, false]
    )
    #expect(interval.area == 0.75)
    #expect(abs(interval.standardError - (0.125 / 2 + 0.125 / 2).squareRoot()) < 1e-12)
    #expect(interval.upper == 1)
  }

  @Test func curvesNeedBothKindsAndNumbers() {
    #expect(throws: NoveltyError.singleKind(operation: "curve", isNovel: true)) {
      try ROCCurve(scores: [1, 2], isNovel: [false, false])
    }
    #expect(throws: NoveltyError.notFinite(operation: "curve", row: 1)) {
      try PrecisionRecallCurve(scores: [1, .nan], isNovel: [false, true])
    }
  }

  // MARK: - Calibration

  private static let scores = (1...19).map { Float($0) }

  @Test func rulesGiveThresholds() throws {
    var calibration = try NoveltyCalibration(normalScores: Self.scores.reversed())
    // 95 % of 18 steps from the first: 17.1 steps.
    expectClose([try calibration.threshold()], [18.1], relative: 1e-6)
    calibration.rule = .falsePositiveRate(0.05)
    // ⌈0.95 · 20⌉ = 19: the largest.
    #expect(try calibration.threshold() == 19)
    calibration.rule = .falsePositiveRate(0.1)
    #expect(try calibration.threshold() == 18)
    #expect(try calibration.threshold(by: .fixed(2.5)) == 2.5)
    #expect(
      throws: NoveltyError.tooFewSamples(
        operation: "threshold",
        label: nil,
        found: 19,
        needed: 99
      )
    ) { try calibration.threshold(by: .falsePositiveRate(0.01)) }
    // However small the rate, the number that it needs is one.
    for rate in [1e-300, Double.leastNonzeroMagnitude, 1e-17] {
      #expect(throws: NoveltyError.self) {
        try calibration.threshold(by: .falsePositiveRate(rate))
      }
    }
    #expect(throws: NoveltyError.self) { try calibration.threshold(by: .percentile(101)) }
  }

  @Test func verdictsAgreeWithPValues() throws {
    let rule = ThresholdRule.falsePositiveRate(0.2)
    let calibration = try NoveltyCalibration(normalScores: Self.scores, rule: rule)
    let threshold = try calibration.threshold()
    for score in stride(from: Float(0), through: 20, by: 0.5) {
      #expect((score > threshold) == (calibration.pValue(of: score) <= 0.2), "\(score)")
    }
    #expect(calibration.pValue(of: 100) == 1.0 / 20)
    #expect(calibration.pValue(of: 0) == 1)
  }

  @Test func calibrationNeedsNumbers() {
    #expect(throws: NoveltyError.notFinite(operation: "calibrate", row: 1)) {
      try NoveltyCalibration(normalScores: [1, .infinity])
    }
    #expect(throws: NoveltyError.self) { try NoveltyCalibration(normalScores: []) }
  }
}
