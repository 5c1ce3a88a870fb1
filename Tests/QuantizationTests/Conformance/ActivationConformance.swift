import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension QuantizationConformance {
  /// Activations per token and per tensor, and SmoothQuant's folding: every case of the file.
  @Suite struct Activations {
    static let cases = FixtureCase.flexRound("activation_quant")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    @Test(arguments: cases) func activations(item: FixtureCase) throws {
      if try item.has("calibration") {
        try checkStatic(item)
      } else if try item.has("official") {
        try checkTokens(item)
      } else {
        try checkSmoothing(item)
      }
    }

    private func checkTokens(_ item: FixtureCase) throws {
      let (input, bits) = (try item.tensor("input"), try item.int("bits"))
      let official = TokenQuantizer(bits: bits, range: .official)(Variable(input)).value
      expectNear(official, try item.tensor("official"), ofLargest: 1e-6, "official")
      let tokens = QuantizedActivations(input, bits: bits)
      #expect(tokens.codes.elements.map { Int32($0) } == (try item.integers("fixed_code").elements))
      #expect(
        tokens.zeroPoints.elements.map { Int32($0) } == (try item.integers("fixed_zero").elements)
      )
      expectClose(tokens.stepSizes, try item.tensor("fixed_scale"), relative: 1e-6)
      let expected = try item.tensor("fixed")
      expectNear(tokens.dequantized(), expected, ofLargest: 1e-6, "values of the codes")
      expectNear(
        TokenQuantizer(bits: bits)(Variable(input)).value,
        expected,
        ofLargest: 1e-6,
        "fixed"
      )
    }

    private func checkStatic(_ item: FixtureCase) throws {
      let quantizer = TensorQuantizer(
        calibratedOn: [try item.tensor("calibration")],
        bits: try item.int("bits")
      )
      #expect([Int32(quantizer.zeroPoint)] == (try item.integers("zero").elements))
      expectClose(quantizer.step.value.elements, try item.tensor("scale").elements, relative: 1e-6)
      let input = try item.tensor("input")
      let codes = quantizer.codes(of: input).elements.map { Int32($0) }
      #expect(codes == (try item.integers("code").elements))
      let output = quantizer(Variable(input)).value
      expectNear(output, try item.tensor("output"), ofLargest: 1e-6, "output")
    }

    private func checkSmoothing(_ item: FixtureCase) throws {
      let smoothing = SmoothQuant(migration: Float(try item.number("alpha")))
      let maxima = SmoothQuant.channelMaxima(of: try item.tensor("act"))
      expectClose(maxima, try item.tensor("act_absmax"), relative: 1e-6)
      var names: [String] = []
      while try item.has("w\(names.count)") { names.append("w\(names.count)") }
      #expect(!names.isEmpty)
      let weights = try names.map { try item.tensor($0) }
      let scales = smoothing.scales(activationMaxima: maxima, weights: weights)
      expectClose(scales, try item.tensor("scale"), relative: 1e-5)
      let norm = smoothing.folded(norm: try item.tensor("norm"), by: scales)
      expectClose(norm, try item.tensor("norm_out"), relative: 1e-5)
      for (name, weight) in zip(names, weights) {
        let folded = smoothing.folded(weight: weight, by: scales)
        expectClose(folded, try item.tensor(name + "_out"), relative: 1e-5, absolute: 1e-9)
      }
    }
  }
}
