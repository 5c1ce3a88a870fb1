public import Autograd
import Tensor

/// A norm along the last axis: a layer with parameters.
public protocol NormLayer: Module, Layer {}

extension LayerNorm: NormLayer {}
extension RMSNorm: NormLayer {}

/// The norms of transformers; all have a scale for each column.
public enum NormKind: String, CaseIterable, Codable, Hashable, Sendable {
  /// (x − mean) / √(variance + ε) ⊙ weight + bias.
  case layer
  /// The same without a bias.
  case layerWithoutBias
  /// x / √(mean(x²) + ε) ⊙ weight.
  case rms
  /// x / √(mean(x²) + ε) ⊙ (1 + weight), as Gemma stores it.
  case rmsOnePlus

  /// A norm that starts as the identity on normalized rows.
  public func layer(width: Int, epsilon: Float = 1e-5) -> any NormLayer {
    switch self {
    case .layer: LayerNorm(width: width, epsilon: epsilon)
    case .layerWithoutBias: LayerNorm(width: width, epsilon: epsilon, hasBias: false)
    case .rms: RMSNorm(width: width, epsilon: epsilon)
    case .rmsOnePlus: RMSNorm(width: width, epsilon: epsilon, weightOffset: 1)
    }
  }
  /// A norm over parameters of a source: `name`.weight and, where there is one, `name`.bias.
  func layer(
    _ name: String,
    width: Int,
    epsilon: Float,
    from source: any WeightSource
  ) throws -> any NormLayer {
    let weight = try source.parameter(
      name + ".weight",
      shape: [width],
      initial: .constant(self == .rmsOnePlus ? 0 : 1)
    )
    switch self {
    case .rms: return RMSNorm(weight: weight, epsilon: epsilon)
    case .rmsOnePlus: return RMSNorm(weight: weight, epsilon: epsilon, weightOffset: 1)
    case .layerWithoutBias: return LayerNorm(weight: weight, epsilon: epsilon)
    case .layer:
      let bias = try source.parameter(name + ".bias", shape: [width], initial: .constant(0))
      return LayerNorm(weight: weight, bias: bias, epsilon: epsilon)
    }
  }
}
