import Checkpoints
import LinearAlgebra
import Tensor
import TestSupport
import Testing

@testable import Federated

extension FederatedConformance {
  /// Sparse and few-bit updates, masks and factors.
  @Suite struct Updates {
    static let sparseCases = FederatedFixture.cases("topk_error_feedback", suffix: ".grad")
    static let codeCases = FederatedFixture.cases("update_quantisation", suffix: ".x")

    @Test func filesHoldCases() { #expect(Self.sparseCases.count > 2 && Self.codeCases.count > 3) }

    @Test(arguments: sparseCases) func sparseUpdatesWithErrorFeedback(name: String) throws {
      let fixture = try FederatedFixture("topk_error_feedback")
      let gradients = try fixture.rows(name + ".grad")
      let (values, residuals) = (
        try fixture.rows(name + ".value"), try fixture.rows(name + ".residual")
      )
      let indices = try fixture.integers(name + ".index")
      let (k, count) = (Int(try fixture.number("cases", name, "k")), gradients[0].count)
      let global = vector(gradients[0].map { _ in 0 })
      let plan = DevicePlan(update: UpdatePlan(topShare: Rate(k, of: count)))
      let local = LocalModel(whole: global, plan: plan)
      var compressor = UpdateCompressor()
      var generator = Philox(seed: 1)
      for round in gradients.indices {
        let packed = try compressor.pack(vector(gradients[round]), of: local, using: &generator)
        #expect(packed.indices == Array(indices[round * k..<(round + 1) * k]))
        guard case .single(let sent) = packed.values else {
          Issue.record("no floats")
          continue
        }
        expectClose(sent, values[round], absolute: 1e-6, name)
        let residual = try #require(compressor.residual["w"])
        expectClose(residual.elements, residuals[round], absolute: 1e-6, name)
      }
    }

    @Test(arguments: codeCases) func codes(name: String) throws {
      let fixture = try FederatedFixture("update_quantisation")
      let x = try fixture.tensor(name + ".x")
      let bits = Int(try fixture.number("cases", name, "bits"))
      let mode = try #require(fixture.metadata["cases"]?[name]?["mode"]?.stringValue)
      let granularity: QuantizedRows.Granularity = mode == "row" ? .row : .tensor
      let rows =
        if mode == "stoch" {
          QuantizedRows(
            x,
            bits: bits,
            granularity: granularity,
            uniforms: try fixture.tensor(name + ".u")
          )
        } else {
          QuantizedRows(x, bits: bits, granularity: granularity)
        }
      #expect(rows.codes.map { Int32($0) } == (try fixture.integers(name + ".q")))
      expectClose(rows.dequantized(), try fixture.numbers(name + ".dequant"), absolute: 1e-6, name)
      let scales = try fixture.numbers(name + ".scale")
      let found = granularity == .row ? rows.scales : scales.map { _ in rows.scales[0] }
      expectClose(found, scales, relative: 1e-6, name)
    }

    static let maskCases = FederatedFixture.cases("local_compression", suffix: ".A")

    @Test(arguments: maskCases) func magnitudeMasks(name: String) throws {
      let fixture = try FederatedFixture("local_compression")
      let weights = [try fixture.tensor("A"), try fixture.tensor("B")]
      let isGlobal = name.hasPrefix("global")
      let sparsity = try #require(Double(name.drop { $0.isLetter }))
      // Sparsities have at most three digits behind the point.
      let kept = Int((1000 * (1 - sparsity)).rounded())
      let plan = MaskPlan(density: Rate(kept, of: 1000), scope: isGlobal ? .global : .layer)
      let masks = MagnitudeMask.masks(plan, of: weights)
      for (mask, tensor) in zip(masks, ["A", "B"]) {
        let expected = try fixture.numbers("\(name).\(tensor)")
        #expect(mask == BitSet(expected.map { $0 != 0 }), "\(name).\(tensor)")
      }
    }

    @Test func factors() throws {
      let fixture = try FederatedFixture("local_compression")
      let weight = try fixture.tensor("A")
      let cases = FederatedFixture.cases("local_compression", suffix: "").filter {
        $0.hasPrefix("A.rank")
      }
      #expect(!cases.isEmpty)
      for name in cases {
        let rank = try #require(Int(name.dropFirst("A.rank".count)))
        let svd = try weight.singularValueDecomposition()
        let expected = try fixture.tensor(name)
        expectClose(svd.truncated(to: rank).reconstructed(), expected, absolute: 1e-5, name)
        // The factors themselves, where they are smaller than the matrix.
        if let factors = try LowRank.Factors(weight, .fixed(rank)) {
          expectClose(factors.left.matmul(factors.right), expected, absolute: 1e-5, name)
        }
      }
      let ranks = try #require(fixture.metadata["energy_rank"]?.objectValue)
      let values = try fixture.numbers("A.S")
      let ours = try weight.singularValues().elements
      expectClose(ours, values, absolute: 1e-5)
      for (share, rank) in ranks {
        let share = try #require(Double(share))
        #expect(LowRank.Factors.rank(holding: share, of: ours) == rank.intValue)
      }
    }
  }
}
