import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct LowRankLinearTests {
  private func base(hasBias: Bool = true) -> Linear {
    var generator = Philox(seed: 5)
    return Linear(inputWidth: 5, outputWidth: 3, hasBias: hasBias, using: &generator)
  }

  /// A layer whose B is not zero any more.
  private func layer(_ base: any LinearLayer) -> LowRankLinear {
    var generator = Philox(seed: 6)
    let layer = LowRankLinear(base, rank: 2, alpha: 3, using: &generator)
    layer.up.value = .normal([base.outputWidth, 2], using: &generator)
    return layer
  }

  /// a [rows × inner] · b [columns × inner]ᵀ.
  private func product(_ a: [Double], _ b: [Double], inner: Int) -> [Double] {
    let (rows, columns) = (a.count / inner, b.count / inner)
    return (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      return (0..<inner).reduce(0) { $0 + a[row * inner + $1] * b[column * inner + $1] }
    }
  }

  @Test func gradientsAreThoseOfTheFormula() {
    let base = base()
    let (weight, bias) = (base.weight.value.elements, base.bias?.value.elements ?? [])
    GradientCheck()("low-rank linear", [[4, 5], [2, 5], [3, 2]]) { inputs in
      let layer = LowRankLinear(
        base,
        down: Parameter(inputs[1].value),
        up: Parameter(inputs[2].value),
        alpha: 3
      )
      let x = Variable(following: inputs[0].value)
      let y = layer(x)
      return .custom(y.value, inputs: inputs) { gradient in
        y.backward(from: gradient)
        return [x.gradient, layer.down.gradient, layer.up.gradient]
      }
    } oracle: { inputs in
      // y = x Wᵀ + b + 3/2 (x Aᵀ) Bᵀ
      let narrow = product(inputs[0].elements, inputs[1].elements, inner: 5)
      let wide = product(narrow, inputs[2].elements, inner: 2)
      let plain = product(inputs[0].elements, weight.map { Double($0) }, inner: 5)
      let sums = plain.indices.map { plain[$0] + Double(bias[$0 % 3]) + 1.5 * wide[$0] }
      return Tensor(sums, shape: [4, 3])
    }
    #expect(base.weight.gradient == nil && base.bias?.gradient == nil)
  }

  @Test func theStartIsTheBaseToTheBit() {
    var generator = Philox(seed: 1)
    let base = base()
    let layer = LowRankLinear(base, rank: 2, using: &generator)
    let x = Tensor<Float>.normal([7, 5], using: &generator)
    #expect(layer(x) == base(x))
    #expect(layer(Variable(x)).value == base(x))
    #expect(layer.scale == 1)
    let bound = 1 / Float(5).squareRoot()
    #expect(layer.down.value.elements.allSatisfy { abs($0) <= bound })
    #expect(!base.weight.isTrainable && layer.down.isTrainable && layer.up.isTrainable)
  }

  @Test func namesAreStable() {
    let names = layer(base()).namedParameters().map(\.name)
    #expect(names == ["base.weight", "base.bias", "down", "up"])
  }

  @Test func useAndTrainingAgree() {
    var generator = Philox(seed: 2)
    let layer = layer(base())
    let x = Tensor<Float>.normal([2, 3, 5], using: &generator)
    #expect(layer(x) == layer(Variable(x)).value)
    #expect(layer(x).shape == [2, 3, 3])
  }

  @Test func mergedWeightsComputeTheSame() {
    var generator = Philox(seed: 3)
    let base = base()
    let layer = layer(base)
    let x = Tensor<Float>.normal([6, 5], using: &generator)
    let merged = FrozenLinear(weight: .float32(layer.merged()), bias: base.bias?.value)
    expectClose(merged(x), layer(x), relative: 1e-5, absolute: 1e-5)
    #expect(layer.denseBias() == base.bias?.value)
    let rows = layer.weightRows([2, 0])
    expectClose(rows, layer.merged().rows([2, 0] as [Int32]), absolute: 1e-6)
    expectClose(layer.embedding(of: Tensor([2, 0])).value, rows, absolute: 1e-6)
  }

  @Test func theGradientOfTheInputPassesThroughAFrozenBase() {
    let weight = Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
    let layer = layer(FrozenLinear(weight: .float32(weight)))
    let x = Variable(following: .ones([1, 3]))
    layer(x).sum().backward()
    // Column sums of W + 3/2 B A.
    let merged = layer.merged().elements
    let sums = (0..<3).map { merged[$0] + merged[$0 + 3] }
    expectClose(x.gradient?.elements ?? [], sums, relative: 1e-5, absolute: 1e-5)
  }
}
