import Autograd
import Tensor
import TestSupport
import Testing

@testable import Novelty

extension NoveltyConformance {
  /// The orthogonal embedding and what it is made of.
  @Suite struct Embedding {
    static let raw = NoveltyFixture.cases("ole", suffix: ".Z")
    static let normalized = NoveltyFixture.cases("ole_normalised", suffix: ".Z")
    static let matrices = NoveltyFixture.cases("svd_nuclear", suffix: ".A")

    @Test func filesHoldCases() {
      #expect(!Self.raw.isEmpty && !Self.normalized.isEmpty && !Self.matrices.isEmpty)
    }

    @Test(arguments: raw) func rawLatents(name: String) throws {
      let fixture = try NoveltyFixture("ole")
      let loss = OrthogonalLowRankEmbedding(
        weight: Float(try fixture.number(name, "lambda")),
        margin: try fixture.number(name, "delta")
      )
      let isDeficient = name.contains("rank_deficient")
      try check(loss, fixture, name, tolerance: isDeficient ? 1e-4 : 1e-5)
    }

    @Test(arguments: normalized) func unitLatents(name: String) throws {
      let loss = OrthogonalLowRankEmbedding(weight: 1, normalizesRows: true)
      try check(loss, NoveltyFixture("ole_normalised"), name, tolerance: 1e-5)
    }

    private func check(
      _ loss: OrthogonalLowRankEmbedding,
      _ fixture: NoveltyFixture,
      _ name: String,
      tolerance: Float
    ) throws {
      let latents = Variable(following: try fixture.tensor(name + ".Z"))
      let value = try loss(latents, labels: fixture.integers(name + ".y"))
      expectClose(
        [value.item],
        try fixture.numbers(name + ".loss"),
        relative: 1e-5,
        absolute: 1e-5,
        name
      )
      // The incoming gradient counts.
      (value * 3).backward()
      let gradient = try #require(latents.gradient)
      expectClose(gradient * (1 / 3), try fixture.tensor(name + ".grad"), absolute: tolerance, name)
    }

    @Test(arguments: matrices) func nuclearNormsAndPolarFactors(name: String) throws {
      let fixture = try NoveltyFixture("svd_nuclear")
      let matrix = try fixture.tensor(name + ".A").converted(to: Double.self)
      // Alone and filled up with rows of zeros.
      let alone = try NuclearNorm.of([matrix], threshold: 1e-6)[0]
      let stacked = try NuclearNorm.of([matrix, matrix], threshold: 1e-6)[1]
      let scale = max(try fixture.numbers(name + ".S").first ?? 0, .leastNormalMagnitude)
      for found in [alone, stacked] {
        expectClose(
          [Float(found.norm)],
          try fixture.numbers(name + ".nuclear"),
          absolute: 1e-5 * scale,
          name
        )
        expectClose(
          found.polar.converted(to: Float.self),
          try fixture.tensor(name + ".polar"),
          absolute: ["clustered", "wide_range"].contains(name) ? 1e-3 : 1e-4,
          name
        )
      }
    }
  }
}
