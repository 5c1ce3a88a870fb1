public import Tensor

/// SmoothQuant: outliers of activations move into the weights, channel by channel.
///
///     s_j = max(|X_j|^α / |W_j|^(1−α), 10⁻⁵)      y = (x / s) · (W ⊙ s)ᵀ
///
/// |X_j| is the largest size of input channel j over the calibration data, |W_j| that of column j
/// over all linear layers that take the same input, at least 10⁻⁵. The division goes into the scale
/// (and shift) of the norm that made x. Fold first, then find the grids of the weights.
///
/// - Shapes: s, |X| and norm [K]; each W [N × K].
/// - Source: Xiao et al. 2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for
///   Large Language Models", equation 4, and the official code (the floors).
/// - Complexity: one pass over the weights.
public struct SmoothQuant: Codable, Hashable, Sendable {
  /// α, the share of the difficulty that moves: one half in the paper; 0.8 to 0.9 for larger Llamas.
  public var migration: Float

  /// The folding of a strength between 0 and 1.
  public init(migration: Float = 0.5) {
    expect(migration >= 0 && migration <= 1, "SmoothQuant: a migration strength of \(migration)")
    self.migration = migration
  }

  /// The largest sizes of each channel [K] over the rows of `inputs` [… × K].
  public static func channelMaxima(of inputs: Tensor<Float>) -> Tensor<Float> {
    let width = inputs.shape[-1]
    return inputs.reshaped(to: [inputs.count / max(width, 1), width]).abs().max(axes: [0])
  }

  /// s [K], from the channels' largest sizes and the weights that take them.
  public func scales(
    activationMaxima: Tensor<Float>,
    weights: [Tensor<Float>]
  ) -> Tensor<Float> {
    var largest = Tensor<Float>(repeating: 1e-5, shape: activationMaxima.shape)
    for weight in weights {
      expect(
        weight.rank == 2 && [weight.shape[1]] == activationMaxima.shape,
        "SmoothQuant: a weight \(weight.shape) does not take inputs \(activationMaxima.shape)"
      )
      let found = weight.abs().max(axes: [0])
      largest = select(found .> largest, found, largest)
    }
    let ratio = activationMaxima.pow(migration) / largest.pow(1 - migration)
    return ratio.clamped(to: 1e-5 ... .infinity)
  }

  /// What a norm's scale, or shift, [K] becomes.
  public func folded(norm: Tensor<Float>, by scales: Tensor<Float>) -> Tensor<Float> {
    norm / scales
  }

  /// What a weight [N × K] becomes.
  public func folded(weight: Tensor<Float>, by scales: Tensor<Float>) -> Tensor<Float> {
    weight * scales
  }
}
