import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct ActivationTests {
  @Test func tokensByHand() {
    // Token 1: 0 … 3, s = 1, z = 0. Token 2: −1 … 2, s = 1, z = 1; 0.5 rounds to even.
    let x = Tensor<Float>([0, 1.4, 3, -1, 0.5, 2], shape: [2, 3])
    let tokens = QuantizedActivations(x, bits: 2)
    #expect(tokens.codes.elements == [0, 1, 3, 0, 1, 3])
    #expect(tokens.zeroPoints.elements == [0, 1])
    #expect(tokens.stepSizes.elements == [1, 1])
    #expect(tokens.dequantized().elements == [0, 1, 3, -1, 0, 2])
  }

  @Test func oneSignedTokensSaturateInTheOfficialRangeOnly() {
    let x = Tensor<Float>([10, 11, 12, 13], shape: [1, 4])
    let fixed = TokenQuantizer()(Variable(x)).value
    let official = TokenQuantizer(range: .official)(Variable(x)).value
    expectClose(fixed, x, absolute: 0.03)
    #expect(official.max() < 4)
  }

  @Test func headsHaveGridsOfTheirOwn() {
    var generator = Philox(seed: 1)
    var x = Tensor<Float>.normal([3, 5, 16], using: &generator)
    x.withUnsafeMutableElements { x in
      for index in x.indices where index % 16 < 8 { x[index] *= 100 }
    }
    let whole = QuantizedActivations(x)
    let heads = QuantizedActivations(x, headCount: 2)
    #expect(heads.stepSizes.shape == [3, 5, 2] && whole.stepSizes.shape == [3, 5, 1])
    let error = { (values: Tensor<Float>) in (values - x).square().sliced(8..<16, axis: 2).mean() }
    #expect(error(heads.dequantized()) < error(whole.dequantized()) / 100)
    #expect(TokenQuantizer(headCount: 2)(Variable(x)).value == heads.dequantized())
    #expect(whole.byteCount == 3 * 5 * (16 + 5))
  }

  @Test func gradientsPassInsideTheGrid() {
    // Range 0 … 3 at two bits, s = 1: 3.4 rounds to the last integer, 3.6 beyond it.
    let quantizer = TensorQuantizer(minimum: 0, maximum: 3, bits: 2)
    quantizer.step.isTrainable = true
    let x = Variable(following: Tensor<Float>([1.2, 3.4, 3.6, -0.4, -0.6], shape: [1, 5]))
    let y = quantizer(x)
    #expect(y.value.elements == [1, 3, 3, 0, 0])
    y.sum().backward()
    #expect(x.gradient?.elements == [1, 1, 0, 1, 0])
    // Σ (q − u inside): (1 − 1.2) + (3 − 3.4) + 3 + (0 + 0.4) + 0.
    expectClose(quantizer.step.gradient?.elements ?? [], [2.8], absolute: 1e-6)
  }

  @Test func gridsOfConstantsStayFinite() {
    for value: Float in [0, 3, -3, 1e-20] {
      let x = Tensor<Float>(repeating: value, shape: [2, 7])
      for range in ActivationRange.allCases {
        let y = TokenQuantizer(range: range)(Variable(x)).value
        #expect(y.elements.allSatisfy { $0.isFinite })
      }
      expectClose(TokenQuantizer()(Variable(x)).value, x, relative: 1e-5, absolute: 1e-8)
    }
  }

  @Test func droppingFollowsTheCoin() {
    var generator = Philox(seed: 4)
    let (a, b) = (Tensor<Float>.zeros([100, 100]), Tensor<Float>.ones([100, 100]))
    let mixed = QDrop.mixing(a, b, probability: 0.25, using: &generator)
    // 7500 of 10⁴ coins, deviation 43: five deviations.
    #expect(abs(mixed.sum() - 7500) < 220)
    let (x, y) = (Variable(following: a), Variable(following: b))
    let both = QDrop.mixing(x, y, probability: 0.5, using: &generator)
    both.sum().backward()
    #expect(y.gradient == both.value)
    #expect(x.gradient == b - both.value)
  }

  @Test func droppingQuantizersRoundAllInUse() {
    var generator = Philox(seed: 5)
    let x = Tensor<Float>.normal([8, 32], using: &generator)
    let plain = TokenQuantizer(bits: 3)
    let dropping = DroppingQuantizer(plain, generator: Philox(seed: 6))
    #expect(dropping(Variable(x)).value != plain(Variable(x)).value)
    dropping.eval()
    #expect(dropping(Variable(x)).value == plain(Variable(x)).value)
  }

  @Test func foldingLeavesTheProduct() {
    var generator = Philox(seed: 7)
    let x = Tensor<Float>.normal([9, 12], using: &generator)
    let weight = Tensor<Float>.normal([5, 12], using: &generator)
    let smoothing = SmoothQuant(migration: 0.7)
    let scales = smoothing.scales(
      activationMaxima: SmoothQuant.channelMaxima(of: x),
      weights: [weight]
    )
    let folded = smoothing.folded(norm: x, by: scales)
      .matmul(smoothing.folded(weight: weight, by: scales), transposingOther: true)
    expectClose(folded, x.matmul(weight, transposingOther: true), relative: 1e-5, absolute: 1e-5)
  }

  @Test func channelsWithoutActivationsStayFinite() {
    let smoothing = SmoothQuant()
    let scales = smoothing.scales(
      activationMaxima: Tensor<Float>([0, 4]),
      weights: [Tensor<Float>([0, 0, 0, 0], shape: [2, 2])]
    )
    expectClose(scales.elements, [1e-5, (4 / Float(1e-5)).squareRoot()], relative: 1e-5)
  }
}
