import Tensor

extension BatchNorm {
  /// What the norm does to each channel in use, x · factor + shift.
  ///
  ///     factor = weight / √(variance + ε)        shift = bias − mean · factor
  ///
  /// In Double: both go into the weights of a layer in front, whose sums round once.
  fileprivate var affine: (factor: [Double], shift: [Double]) {
    let (weight, bias) = (weight.value.elements, bias.value.elements)
    let (mean, variance) = (runningMean.value.elements, runningVariance.value.elements)
    let factor = weight.indices.map { channel in
      Double(weight[channel]) / (Double(variance[channel]) + Double(epsilon)).squareRoot()
    }
    let shift = factor.indices.map { channel in
      Double(bias[channel]) - Double(mean[channel]) * factor[channel]
    }
    return (factor, shift)
  }

  /// A weight [C × …] and a bias [C] or none, with the norm of their output folded in.
  fileprivate func folded(
    _ weight: Tensor<Float>,
    _ bias: Tensor<Float>?,
    _ layer: String
  ) -> (weight: Parameter, bias: Parameter) {
    let channels = weight.shape[0]
    expect(
      self.weight.shape == [channels],
      "\(layer): a norm of other channels cannot be folded in, \(weight.shape) · \(self.weight.shape)"
    )
    let (factor, shift) = affine
    let size = channels == 0 ? 0 : weight.count / channels
    let scaled = weight.elements.enumerated().map { Float(Double($1) * factor[$0 / size]) }
    let moved = (bias?.elements ?? [Float](repeating: 0, count: channels)).enumerated().map {
      Float(Double($1) * factor[$0] + shift[$0])
    }
    return (
      Parameter(Tensor(scaled, shape: weight.shape)), Parameter(Tensor(moved, shape: [channels]))
    )
  }
}

extension Conv2d {
  /// The convolution that computes what this one and a batch norm behind it compute in use.
  ///
  ///     W′[o] = W[o] · γ[o] / √(σ²[o] + ε)      b′[o] = (b[o] − μ[o]) · γ[o] / √(σ²[o] + ε) + β[o]
  ///
  /// Groups make no difference: a norm scales channels of the output.
  ///
  /// - Parameter norm: a norm of this layer's output channels; its running statistics count.
  /// - Returns: a new layer with a bias.
  public func folding(_ norm: BatchNorm) -> Conv2d {
    let (weight, bias) = norm.folded(weight.value, bias?.value, "conv2d")
    return Conv2d(weight: weight, bias: bias, options: options)
  }
}

extension Linear {
  /// The layer that computes what this one and a batch norm behind it compute in use; see `Conv2d`.
  ///
  /// - Parameter norm: a norm of this layer's outputs; its running statistics count.
  /// - Returns: a new layer with a bias.
  public func folding(_ norm: BatchNorm) -> Linear {
    let (weight, bias) = norm.folded(weight.value, bias?.value, "linear")
    return Linear(weight: weight, bias: bias)
  }
}
