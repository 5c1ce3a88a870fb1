import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct ConvolutionLayerTests {
  private func layers() -> (Conv2d, ConvTranspose2d) {
    var generator = Philox(seed: 1)
    let down = Conv2d(
      inputChannels: 4,
      outputChannels: 6,
      kernel: 4,
      options: ConvolutionOptions(stride: 2, padding: 1, groups: 2),
      using: &generator
    )
    let up = ConvTranspose2d(
      inputChannels: 6,
      outputChannels: 4,
      kernel: 4,
      options: ConvolutionOptions(stride: 2, padding: 1, groups: 2),
      using: &generator
    )
    return (down, up)
  }

  @Test func shapesAreThoseOfTheDefinition() {
    let (down, up) = layers()
    #expect(down.weight.shape == [6, 2, 4, 4] && down.bias?.shape == [6])
    #expect(up.weight.shape == [6, 2, 4, 4] && up.bias?.shape == [4])
    #expect(down.inputChannels == 4 && down.outputChannels == 6)
    #expect(up.inputChannels == 6 && up.outputChannels == 4)
    let x = Tensor<Float>.ones([3, 4, 8, 10])
    let features = down(x)
    #expect(features.shape == [3, 6, 4, 5])
    #expect(up(features).shape == x.shape)
  }

  @Test func startIsBoundedByTheFanIn() {
    let (down, _) = layers()
    let bound = 1 / Float(2 * 4 * 4).squareRoot()
    let (smallest, largest) = down.weight.value.extrema()
    #expect(smallest >= -bound && largest <= bound && largest > 0.8 * bound)
  }

  @Test func gradientsReachAllParameters() {
    let (down, up) = layers()
    var generator = Philox(seed: 2)
    let x = Variable(Tensor<Float>.normal([2, 4, 6, 6], using: &generator))
    up(down(x).relu()).square().mean().backward()
    for parameter in [down.weight, up.weight] + [down.bias, up.bias].compactMap({ $0 }) {
      #expect(parameter.gradient?.shape == parameter.shape)
      #expect((parameter.gradient?.abs().max() ?? 0) > 0)
    }
  }

  @Test func batchNormFollowsTheBatchAndUsesItsStatistics() {
    let layer = BatchNorm(channels: 2, momentum: 0.5)
    let x = Tensor<Float>([1, 10, 3, 30, 5, 50, 7, 70], shape: [4, 2])
    let y = layer(x)
    expectClose(y.mean(axes: 0).elements, [0, 0], absolute: 1e-6)
    expectClose(y.variance(axes: 0).elements, [1, 1], absolute: 1e-4)
    // Half of the way from 0 to the mean, and from 1 to the unbiased variance.
    expectClose(layer.runningMean.value.elements, [2, 20], relative: 1e-6)
    expectClose(
      layer.runningVariance.value.elements,
      [(1 + 20 / 3.0) / 2, 333.8333],
      relative: 1e-5
    )
    layer.isTraining = false
    let before = layer.runningMean.value
    let z = layer(x)
    #expect(layer.runningMean.value == before)
    let deviation = (layer.runningVariance.value + 1e-5).sqrt()
    expectClose(z, (x - layer.runningMean.value) / deviation, absolute: 1e-5)
  }

  @Test func batchNormIsStoredUnderPyTorchsNames() {
    let layer = BatchNorm(channels: 3)
    #expect(layer.namedParameters().map(\.name) == ["weight", "bias"])
    #expect(layer.namedBuffers().map(\.name) == ["running_mean", "running_var"])
  }

  @Test func groupNormOfOneGroupNormalizesEachImage() {
    var generator = Philox(seed: 3)
    let x = Tensor<Float>.normal([2, 4, 3, 3], mean: 5, deviation: 3, using: &generator)
    let y = GroupNorm(groups: 1, channels: 4)(x)
    expectClose(y.mean(axes: 1, 2, 3).elements, [0, 0], absolute: 1e-5)
    expectClose(y.variance(axes: 1, 2, 3).elements, [1, 1], absolute: 1e-3)
  }

  @Test func sequencesAreImagesOfOneRow() {
    GradientCheck()("conv1d", [[2, 3, 7], [4, 3, 3], [4]]) {
      conv1d($0[0], weight: $0[1], bias: $0[2], options: ConvolutionOptions(padding: 1))
    } oracle: { inputs in
      let (x, w, b) = (inputs[0].elements, inputs[1].elements, inputs[2].elements)
      var y = [Double](repeating: 0, count: 2 * 4 * 7)
      for n in 0..<2 {
        for o in 0..<4 {
          for i in 0..<7 {
            var sum = b[o]
            for c in 0..<3 {
              for k in 0..<3 where (0..<7).contains(i + k - 1) {
                sum += w[(o * 3 + c) * 3 + k] * x[(n * 3 + c) * 7 + i + k - 1]
              }
            }
            y[(n * 4 + o) * 7 + i] = sum
          }
        }
      }
      return Tensor(y, shape: [2, 4, 7])
    }
  }
}
