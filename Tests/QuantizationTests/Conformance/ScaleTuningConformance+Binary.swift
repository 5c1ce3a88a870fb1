import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension ScaleTuningConformance {
  /// Binary coding: signs, scales and errors after each round.
  @Suite struct BinaryCodes {
    static let cases = ScaleTuningConformance.cases("bcq")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    private func coding(_ item: FixtureCase, rounds: Int) throws -> BinaryCoding {
      let group = try item.int("group")
      return try BinaryCoding(
        planes: item.int("q"),
        groupSize: group > 0 ? group : nil,
        rounds: rounds
      )
    }

    @Test(arguments: cases) func signsAndScales(item: FixtureCase) throws {
      let weight = try item.tensor("W")
      for (name, rounds) in [("greedy", 0), ("alt1", 1), ("alt", try item.int("rounds"))] {
        let matrix = try coding(item, rounds: rounds).quantize(weight)
        // The file numbers the groups of all rows: α [G × q], B [G × q × g].
        let alpha = try item.tensor(name + ".alpha")
        expectClose(matrix.scales.reshaped(to: alpha.shape), alpha, absolute: 1e-5, name)
        let signs = try item.integers(name + ".B")
        let planes = (0..<matrix.planeCount).map { plane in
          matrix.signs(plane: plane).reshaped(to: [signs.shape[0], signs.shape[2]])
        }
        let found = Tensor.stacking(planes, axis: 1)
        #expect(found.elements.map { Int32($0) } == signs.elements, "\(name)")
        guard try item.has(name + ".recon") else { continue }
        let values = try item.tensor(name + ".recon")
        expectClose(matrix.dequantized(), values, absolute: 1e-5, name)
      }
    }

    @Test(arguments: cases) func errors(item: FixtureCase) throws {
      let weight = try item.tensor("W")
      let expected = try item.tensor("mse").elements.map { Double($0) }
      let found = try expected.indices.map { rounds in
        try coding(item, rounds: rounds).quantize(weight).meanSquaredError(from: weight)
      }
      expectClose(found, expected, relative: 1e-4)
    }
  }

  /// LUT-GEMM's packing in both directions, and uniform codes as binary ones.
  @Suite struct LUTGEMM {
    static let cases = ScaleTuningConformance.cases("lutgemm")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    @Test(arguments: cases) func packing(item: FixtureCase) throws {
      let format = LUTGEMMFormat(
        planes: try item.integers("bcq.packed"),
        scales: try item.tensor("bcq.alpha"),
        offsets: try item.has("bcq.bias") ? item.tensor("bcq.bias") : nil
      )
      let matrix = try format.matrix()
      expectNear(matrix.dequantized(), try item.tensor("bcq.recon"), ofLargest: 1e-6, "values")
      let product = matrix.product(with: try item.tensor("x"))
      expectClose(product, try item.tensor("bcq.y"), absolute: 1e-5)
      let packed = try LUTGEMMFormat(matrix)
      #expect(packed.planes == format.planes && packed.scales == format.scales)
    }

    /// A uniform matrix of the file: codes [N × K], step sizes and zero points [N × K/g].
    private func uniform(
      bits: Int,
      codes: Tensor<Int32>,
      steps: Tensor<Float>,
      zeros: Tensor<Int32>
    ) throws -> QuantizedMatrix {
      func bytes(_ values: Tensor<Int32>) -> Tensor<UInt8> {
        Tensor(values.elements.map { UInt8($0) }, shape: values.shape)
      }
      return QuantizedMatrix(
        codes: bytes(codes),
        stepSizes: steps,
        zeroPoints: bytes(zeros),
        scheme: try WeightScheme(
          grid: QuantizationGrid(bits: bits),
          granularity: .inputGroups(codes.shape[1] / steps.shape[1]),
          scaleType: .float32
        )
      )
    }

    @Test(arguments: cases) func uniformCodes(item: FixtureCase) throws {
      let matrix = try BinaryCodedMatrix(
        uniform: uniform(
          bits: item.tensor("uniform.alpha").shape[-1],
          codes: item.integers("uniform.codes"),
          steps: item.tensor("uniform.scale"),
          zeros: item.integers("uniform.zero")
        )
      )
      try compare(matrix, item, "uniform.")
      let values = try item.tensor("uniform.recon")
      expectNear(matrix.dequantized(), values, ofLargest: 1e-6, "values")
      // B [N × K/g × g × q].
      let signs = try item.integers("uniform.B")
      let planes = (0..<matrix.planeCount).map { matrix.signs(plane: $0) }
      let found = Tensor.stacking(planes, axis: 2)
      #expect(found.elements.map { Int32($0) } == signs.elements)
      let product = matrix.product(with: try item.tensor("x"))
      expectClose(product, try item.tensor("uniform.y"), absolute: 1e-5)
      let read = try LUTGEMMFormat(matrix).matrix()
      #expect(read.words == matrix.words && read.scales == matrix.scales)
      #expect(read.offsets == matrix.offsets)
    }

    /// Groups of outputs are groups of inputs of the transposed matrix.
    @Test(arguments: cases) func groupsOfOutputs(item: FixtureCase) throws {
      let matrix = try BinaryCodedMatrix(
        uniform: uniform(
          bits: item.tensor("ic.alpha").shape[-1],
          codes: item.integers("ic.codes").transposed(),
          steps: item.tensor("ic.scale"),
          zeros: item.integers("ic.zero")
        )
      )
      try compare(matrix, item, "ic.")
      let values = try item.tensor("ic.recon").transposed()
      expectNear(matrix.dequantized(), values, ofLargest: 1e-6, "values")
    }

    private func compare(_ matrix: BinaryCodedMatrix, _ item: FixtureCase, _ name: String) throws {
      expectClose(matrix.scales, try item.tensor(name + "alpha"), relative: 1e-6, "scales")
      let offsets = try #require(matrix.offsets)
      expectNear(offsets, try item.tensor(name + "offset"), ofLargest: 1e-6, "offsets")
    }
  }
}
