import Tensor

/// An activation function as a layer, element by element.
public enum Activation: Layer, Codable, Hashable, Sendable {
  /// max(x, 0).
  case relu
  /// x above 0, slope · x below; torch's slope by default.
  case leakyReLU(slope: Float = 0.01)
  /// x above 0, alpha · (exp(x) − 1) below.
  case elu(alpha: Float = 1)
  /// x · Φ(x) with Φ the normal distribution, by the error function.
  case gelu
  /// GELU's approximation by tanh: GPT-2's, Gemma's.
  case geluTanh
  /// x · sigmoid(x).
  case silu
  /// The hyperbolic tangent.
  case tanh
  /// 1 / (1 + exp(−x)).
  case sigmoid
  /// log(1 + exp(x)).
  case softplus

  /// The function of each element; of the same shape.
  public func callAsFunction(_ input: Variable) -> Variable {
    switch self {
    case .relu: input.relu()
    case .leakyReLU(let slope): input.leakyReLU(slope: slope)
    case .elu(let alpha): input.elu(alpha: alpha)
    case .gelu: input.gelu(.exact)
    case .geluTanh: input.gelu(.tanh)
    case .silu: input.silu()
    case .tanh: input.tanh()
    case .sigmoid: input.sigmoid()
    case .softplus: input.softplus()
    }
  }
}
