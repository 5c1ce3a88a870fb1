import Autograd
import Tensor

extension ConvTranspose2d {
  /// The layer that computes what this one and a batch norm behind it compute in use.
  ///
  ///     W′[·, o] = W[·, o] · γ[o] / √(σ²[o] + ε)    b′[o] = (b[o] − μ[o]) · γ[o] / √(σ²[o] + ε) + β[o]
  ///
  /// For layers of one group: the outputs are then the second axis of the weight [I × O × kH × kW].
  func folding(_ norm: BatchNorm) -> ConvTranspose2d {
    expect(
      options.groups == 1 && norm.weight.shape == [outputChannels],
      "conv transpose2d: a norm of \(norm.weight.shape) cannot be folded into \(weight.shape)"
    )
    let deviation = (norm.runningVariance.value + norm.epsilon).sqrt()
    let factor = norm.weight.value / deviation
    let bias = (bias?.value ?? .zeros([outputChannels])) - norm.runningMean.value
    return ConvTranspose2d(
      weight: Parameter(weight.value * factor.reshaped(to: [1, outputChannels, 1, 1])),
      bias: Parameter(bias * factor + norm.bias.value),
      options: options,
      outputPadding: outputPadding
    )
  }
}
