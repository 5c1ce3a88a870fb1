import Autograd
import Tensor
import TestSupport
import Testing

@testable import Novelty

/// Properties of the orthogonal low-rank embedding.
@Suite struct EmbeddingTests {
  private static let labels: [Int32] = [7, 7, 7, -2, -2, 40, 40, 40, 40, 7, -2, 40]

  private func latents(_ rows: Int, _ columns: Int, seed: UInt64 = 3) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal([rows, columns], using: &generator)
  }

  private func value(
    _ loss: OrthogonalLowRankEmbedding,
    _ latents: Tensor<Float>,
    _ labels: [Int32] = labels
  ) throws -> Double {
    try loss.lossAndGradient(latents, labels: labels).loss
  }

  /// Σ_c max(Δ, ‖Z_c‖_*) − ‖Z‖_*, straight from singular values.
  private func oracle(
    _ loss: OrthogonalLowRankEmbedding,
    _ latents: Tensor<Double>
  ) -> Tensor<Double> {
    var rows = latents
    if loss.normalizesRows {
      rows = latents / (latents * latents).sum(axes: [1], keepingDimensions: true).sqrt()
    }
    func norm(_ matrix: Tensor<Double>) -> Double {
      (try? NuclearNorm.of([matrix], threshold: 0)[0].norm) ?? .nan
    }
    let groups = LabelGroups(Self.labels).rows
    let sum = groups.reduce(0) { sum, members in
      sum + max(loss.margin, norm(rows.rows(members.map { Int32($0) })))
    }
    return Tensor(scalar: Double(loss.weight) * (sum - norm(rows)) / Double(rows.shape[0]))
  }

  @Test(arguments: [false, true]) func gradientMatchesDifferences(normalizes: Bool) throws {
    let loss = OrthogonalLowRankEmbedding(weight: 0.7, normalizesRows: normalizes)
    GradientCheck(tolerance: 1e-4)("embedding", inputs: [latents(12, 5)]) { inputs in
      (try? loss(inputs[0], labels: Self.labels)) ?? Variable(.nan)
    } oracle: { inputs in
      oracle(loss, inputs[0])
    }
  }

  @Test(arguments: 0..<8) func isNeverNegativeWithoutMargin(seed: UInt64) throws {
    let loss = OrthogonalLowRankEmbedding(margin: 0, normalizesRows: seed.isMultiple(of: 2))
    #expect(try value(loss, latents(12, 4 + Int(seed), seed: seed)) >= -1e-9)
  }

  @Test func isZeroForOrthogonalClasses() throws {
    // Each class has two axes of its own.
    var z = Tensor<Float>.zeros([12, 6])
    var generator = Philox(seed: 1)
    for (index, members) in LabelGroups(Self.labels).rows.enumerated() {
      for row in members {
        z[row, 2 * index] = Tensor(scalar: generator.uniform() + 1)
        z[row, 2 * index + 1] = Tensor(scalar: generator.uniform() - 1)
      }
    }
    let loss = OrthogonalLowRankEmbedding()
    let (found, gradient) = try loss.lossAndGradient(z, labels: Self.labels)
    #expect(abs(found) < 1e-9)
    #expect(gradient.abs().max() < 1e-6)
  }

  @Test func doesNotDependOnTheAxes() throws {
    let z = latents(12, 6)
    var generator = Philox(seed: 5)
    let turn = Initializer.orthogonal()([6, 6], using: &generator)
    let loss = OrthogonalLowRankEmbedding()
    let (plain, turned) = (try value(loss, z), try value(loss, z.matmul(turn)))
    #expect(abs(plain - turned) < 1e-5)
  }

  @Test func unitRowsDoNotDependOnLengths() throws {
    let z = latents(12, 6)
    let lengths = Tensor<Float>((1...12).map { Float($0) }, shape: [12, 1])
    let loss = OrthogonalLowRankEmbedding(normalizesRows: true)
    #expect(abs(try value(loss, z) - value(loss, z * lengths)) < 1e-6)
  }

  @Test func oneClassCostsNothing() throws {
    let loss = OrthogonalLowRankEmbedding(normalizesRows: true)
    let one = [Int32](repeating: 3, count: 12)
    let (found, gradient) = try loss.lossAndGradient(latents(12, 6), labels: one)
    #expect(abs(found) < 1e-12)
    #expect(gradient.abs().max() < 1e-9)
  }

  @Test func latentsThatAreNotFiniteAreRefused() {
    var z = latents(12, 6)
    z[3, 2] = Tensor(scalar: .nan)
    #expect(throws: NoveltyError.self) {
      try OrthogonalLowRankEmbedding().lossAndGradient(z, labels: Self.labels)
    }
  }

  @Test func zerosAreFine() throws {
    let loss = OrthogonalLowRankEmbedding(normalizesRows: true)
    let (found, gradient) = try loss.lossAndGradient(.zeros([12, 6]), labels: Self.labels)
    #expect(found.isFinite)
    #expect(gradient.abs().max() == 0)
  }
}
