import Autograd
import Tensor
import TestSupport
import Testing
import Transformer

/// What section 3 of the paper says of placements, on models as they start.
@Suite struct StabilityProbeTests {
  static func model(_ placement: NormPlacement, embeddingNorm: Bool) throws -> DecoderModel {
    var shape = TransformerConfiguration(
      family: .apus,
      vocabularyCount: 256,
      hiddenWidth: 128,
      feedForwardWidth: 256,
      blockCount: 12,
      headCount: 4,
      contextLength: 64
    )
    shape.placement = placement
    shape.normalizesEmbedding = embeddingNorm
    shape.hasFinalNorm = placement != .post
    let weights = InitialWeights(shape, deviation: .widthScaled(128), using: Philox(seed: 7))
    return try DecoderModel(shape, weights: weights)
  }

  func probe(_ model: DecoderModel) -> StabilityReport {
    var generator = Philox(seed: 3)
    func ids() -> Tensor<Int32> {
      Tensor((0..<256).map { _ in Int32(generator.integer(below: 256)) }, shape: [4, 64])
    }
    let (tokens, targets) = (ids(), ids())
    return model.probeStability(tokens, targets: targets)
  }

  @Test func theStreamOfPeriLNGrowsByTwoABlock() throws {
    let report = probe(try Self.model(.peri, embeddingNorm: true))
    for (depth, stream) in report.streams.enumerated() {
      let wanted = 1 + 2 * Double(depth)
      #expect(abs(stream.variance - wanted) <= 0.1 * wanted, "\(depth): \(stream.variance)")
    }
  }

  @Test func theStreamOfPostLNKeepsItsVariance() throws {
    let report = probe(try Self.model(.post, embeddingNorm: false))
    for stream in report.streams.dropFirst() { #expect((0.9...1.1).contains(stream.variance)) }
  }

  @Test func theStreamOfPreLNGrowsOnALine() throws {
    let variances = probe(try Self.model(.pre, embeddingNorm: false)).streams.map(\.variance)
    let n = Double(variances.count)
    let (x, y) = ((n - 1) / 2, variances.reduce(0, +) / n)
    var (xy, xx, yy) = (0.0, 0.0, 0.0)
    for (depth, variance) in variances.enumerated() {
      xy += (Double(depth) - x) * (variance - y)
      xx += (Double(depth) - x) * (Double(depth) - x)
      yy += (variance - y) * (variance - y)
    }
    #expect(xy > 0 && xy * xy / (xx * yy) >= 0.98)
  }

  /// Proposition 3.1: where outputs are normalized, scaling W₂ by s changes nothing but its gradient,
  /// by 1/s; in Pre-LN the output grows and the gradient does not shrink.
  @Test(arguments: [NormPlacement.peri, .pre])
  func largeOutputsDampTheirGradients(placement: NormPlacement) throws {
    let model = try Self.model(placement, embeddingNorm: true)
    let last = try #require(model.body.blocks.last?.feedForward.down as? Linear)
    func measure() -> (loss: Double, norm: Float) {
      let tokens = Tensor<Int32>((0..<64).map { Int32($0 * 3 % 256) }, shape: [1, 64])
      let targets = Tensor<Int32>((0..<64).map { Int32($0 * 5 % 256) }, shape: [1, 64])
      model.clearGradients()
      let loss = model.loss(tokens, targets: targets)
      loss.backward()
      return (Double(loss.item), gradientNorm(of: [last.weight]))
    }
    let before = measure()
    last.weight.value = last.weight.value * 16
    let after = measure()
    if placement == .peri {
      #expect(abs(after.loss - before.loss) < 1e-3)
      #expect(abs(after.norm * 16 / before.norm - 1) < 0.01)
    } else {
      #expect(abs(after.loss - before.loss) > 1e-2)
      #expect(after.norm * 16 / before.norm > 1.5)
    }
  }

  @Test func aReportIsItsNumbers() throws {
    let report = probe(try Self.model(.peri, embeddingNorm: true))
    #expect(report.blocks.allSatisfy { ($0.gradientNorm ?? 0) > 0 })
    #expect(StabilityReport(metrics: report.metrics) == report)
    #expect(StabilityReport(metrics: [:]) == nil)
  }
}
