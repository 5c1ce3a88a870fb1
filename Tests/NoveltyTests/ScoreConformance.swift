import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Novelty

extension NoveltyConformance {
  /// Novelty scores and curves.
  @Suite struct Scores {
    static let curves = NoveltyFixture.cases("auroc", suffix: ".score")

    @Test func filesHoldCases() { #expect(!Self.curves.isEmpty) }

    @Test func latentScores() throws {
      let fixture = try NoveltyFixture("scores")
      let (z, reencoded) = (try fixture.tensor("z"), try fixture.tensor("zh"))
      let (x, output) = (try fixture.tensor("x"), try fixture.tensor("xr"))
      let angles = latentAngles(z, reencoded)
      // The file holds the arccos, which is off by √precision near 0 and π.
      expectClose(angles, try fixture.numbers("angle"), absolute: 1e-3)
      expectClose(Array(angles[3...]), Array(try fixture.numbers("angle")[3...]), absolute: 1e-4)
      expectClose(
        z.rowSquaredDistances(to: reencoded),
        try fixture.numbers("lat_l2"),
        relative: 1e-5,
        absolute: 1e-4
      )
      expectClose(
        x.rowSquaredDistances(to: output),
        try fixture.numbers("recon"),
        relative: 1e-5,
        absolute: 1e-4
      )
    }

    @Test func whitenedPath() throws {
      let fixture = try NoveltyFixture("scores")
      let whitening = try Whitening(of: fixture.tensor("nap.train_diff"))
      let kept = try #require(fixture.metadata["nap_kept"]?.intValue)
      #expect(whitening.projection.shape[1] == kept)
      expectClose(whitening.mean, try fixture.tensor("nap.mu"), absolute: 1e-5)
      let differences = try fixture.tensor("nap.test_diff")
      expectClose(
        whitening.scores(of: differences),
        try fixture.numbers("nap.score"),
        relative: 1e-4,
        absolute: 1e-4
      )
      expectClose(
        differences.rowSquaredNorms(),
        try fixture.numbers("nap.sap"),
        relative: 1e-5,
        absolute: 1e-4
      )
    }

    @Test func classSubspaces() throws {
      let fixture = try NoveltyFixture("scores")
      let bases = try fixture.tensor("subspace.bases")  // [C, d, k]
      let (classes, counts) = (bases.shape[0], bases.shape[2])
      let subspaces = ClassSubspaces(
        labels: (0..<Int32(classes)).map { $0 },
        counts: [Int](repeating: counts, count: classes),
        directions: .concatenating((0..<classes).map { bases[$0] }, axis: 1)
      )
      let found = subspaces.scores(of: try fixture.tensor("z")).scores
      expectClose(found, try fixture.numbers("subspace.score"), absolute: 1e-4)
    }

    @Test(arguments: curves) func curve(name: String) throws {
      let fixture = try NoveltyFixture("auroc")
      let scores = try fixture.numbers(name + ".score")
      let isNovel = try labels(fixture, name)
      let curve = try ROCCurve(scores: scores, isNovel: isNovel)
      expectClose(
        curve.falsePositiveRates.map { Float($0) },
        try fixture.numbers(name + ".fpr"),
        absolute: 1e-6,
        name
      )
      expectClose(
        curve.truePositiveRates.map { Float($0) },
        try fixture.numbers(name + ".tpr"),
        absolute: 1e-6,
        name
      )
      let area = try #require(areaUnderROC(scores: scores, isNovel: isNovel))
      let metrics = try NoveltyMetrics(scores: scores, isNovel: isNovel)
      let expected = try ["auroc", "ap", "aupr_trapz", "fpr_at_95_tpr"].map {
        try fixture.number(name, $0)
      }
      expectClose([area, curve.area], [expected[0], expected[0]], absolute: 1e-6, name)
      expectClose(
        [
          metrics.auroc, metrics.averagePrecision, metrics.trapezoidArea,
          metrics.falsePositiveRateAt95,
        ],
        expected,
        absolute: 1e-6,
        name
      )
    }

    private func labels(_ fixture: NoveltyFixture, _ name: String) throws -> [Bool] {
      try fixture.integers(name + ".label").map { $0 == 1 }
    }
  }
}
