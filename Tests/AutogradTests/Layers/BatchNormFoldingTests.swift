import Autograd
import Tensor
import TestSupport
import Testing

/// A batch norm inside the layer in front of it.
@Suite struct BatchNormFoldingTests {
  /// A norm with statistics and weights that are not its start's.
  static func norm(_ channels: Int, using generator: inout Philox) -> BatchNorm {
    let norm = BatchNorm(channels: channels)
    norm.weight.value = .uniform([channels], from: -2, to: 2, using: &generator)
    norm.bias.value = .normal([channels], using: &generator)
    norm.runningMean.value = .normal([channels], using: &generator)
    norm.runningVariance.value = .uniform([channels], from: 0.01, to: 4, using: &generator)
    norm.eval()
    return norm
  }

  /// Input and output channels, groups, kernel, stride, bias.
  static let convolutions: [(Int, Int, Int, Int, Int, Bool)] = [
    (3, 8, 1, 3, 1, true), (3, 8, 1, 3, 2, false), (6, 6, 6, 3, 1, false), (6, 12, 6, 3, 2, true),
    (8, 4, 2, 1, 1, false), (1, 1, 1, 5, 1, true),
  ]

  @Test(arguments: convolutions)
  func convolutionsComputeTheSame(
    input: Int,
    output: Int,
    groups: Int,
    kernel: Int,
    stride: Int,
    hasBias: Bool
  ) {
    var generator = Philox(seed: 3)
    let options = ConvolutionOptions(
      stride: PlaneExtent(height: stride, width: stride),
      padding: PlaneExtent(height: kernel / 2, width: kernel / 2),
      groups: groups
    )
    let layer = Conv2d(
      inputChannels: input,
      outputChannels: output,
      kernel: PlaneExtent(height: kernel, width: kernel),
      options: options,
      hasBias: hasBias,
      using: &generator
    )
    let norm = Self.norm(output, using: &generator)
    let x = Tensor<Float>.normal([2, input, 7, 9], using: &generator)
    let folded = layer.folding(norm)
    #expect(folded.options == options && folded.bias != nil)
    let expected = norm(layer(x))
    expectClose(folded(x), expected, relative: 1e-5, absolute: 1e-5)
  }

  @Test(arguments: [true, false])
  func linearLayersComputeTheSame(hasBias: Bool) {
    var generator = Philox(seed: 4)
    let layer = Linear(inputWidth: 17, outputWidth: 5, hasBias: hasBias, using: &generator)
    let norm = Self.norm(5, using: &generator)
    let x = Tensor<Float>.normal([11, 17], using: &generator)
    expectClose(layer.folding(norm)(x), norm(layer(x)), relative: 1e-5, absolute: 1e-5)
  }

  /// W = 3, b = 1, γ = 2, β = 5, μ = 4, σ² = 0.25 − ε: factor 4, W′ = 12, b′ = (1 − 4) · 4 + 5 = −7.
  @Test func oneChannelByHand() {
    let layer = Linear(
      weight: Parameter(Tensor([3], shape: [1, 1])),
      bias: Parameter(Tensor([1]))
    )
    let norm = BatchNorm(channels: 1)
    norm.weight.value = Tensor([2])
    norm.bias.value = Tensor([5])
    norm.runningMean.value = Tensor([4])
    norm.runningVariance.value = Tensor([0.25 - 1e-5])
    let folded = layer.folding(norm)
    expectClose(folded.weight.value.elements, [12], relative: 1e-6)
    expectClose(folded.bias?.value.elements ?? [], [-7], relative: 1e-6)
    #expect(layer.weight.value.elements == [3])
  }

  @Test func normsOfOtherChannelsAreRefused() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var generator = Philox(seed: 1)
        let layer = Linear(inputWidth: 2, outputWidth: 3, using: &generator)
        _ = layer.folding(BatchNorm(channels: 2))
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("linear: a norm of other channels cannot be folded in, [3×2] · [2]"))
  }
}
