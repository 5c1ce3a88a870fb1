public import Autograd

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
}
