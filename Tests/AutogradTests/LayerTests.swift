import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct LinearLayerTests {
  @Test func aLinearLayerTrainsAndInfersAlike() {
    var generator = Philox(seed: 3)
    let layer = Linear(inputWidth: 5, outputWidth: 3, using: &generator)
    let x = Tensor<Float>.normal([2, 7, 5], using: &generator)
    #expect(layer(x) == layer(Variable(x)).value)
    #expect(layer(Variable(x)).isFollowed)
    #expect(layer.namedParameters().map(\.name) == ["weight", "bias"])
    let bound = 1 / Float(5).squareRoot()
    let (low, high) = layer.weight.value.extrema()
    #expect(low >= -bound && high <= bound && high - low > bound)
  }

  @Test func aFrozenLayerPassesGradientsThroughToItsInput() {
    var generator = Philox(seed: 4)
    let weight = Tensor<Float>.normal([3, 5], using: &generator)
    let frozen = FrozenLinear(weight: .float32(weight), bias: Tensor([1, 2, 3]))
    let trainable = Linear(weight: Parameter(weight), bias: Parameter(Tensor([1, 2, 3])))
    for shape in [[5], [4, 5], [2, 3, 5]] as [Shape] {
      let x = Tensor<Float>.normal(shape, using: &generator)
      let (a, b) = (Variable(following: x), Variable(following: x))
      frozen(a).sum().backward()
      trainable(b).sum().backward()
      expectClose(a.gradient ?? .zeros([]), b.gradient ?? .zeros([]), relative: 1e-5)
      expectClose(frozen(x), trainable(x), relative: 1e-5, absolute: 1e-6)
    }
    #expect(frozen.parameters().isEmpty)
  }
}
