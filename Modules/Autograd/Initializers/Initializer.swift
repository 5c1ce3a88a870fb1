public import Tensor

/// What a parameter starts from.
///
///     layer.weight.fill(with: .kaimingNormal(nonlinearity: .relu), using: &generator)
///
/// A weight's fan is counted as torch counts it, over the shape [outputs × inputs × kernel…]: fan-in
/// is inputs times the kernel's size, fan-out outputs times the kernel's size.
public enum Initializer: Codable, Hashable, Sendable {
  /// One number everywhere.
  case constant(Float)
  /// U(lower, upper).
  case uniform(from: Float = 0, to: Float = 1)
  /// N(mean, deviation²).
  case normal(mean: Float = 0, deviation: Float = 1)
  /// N(mean, deviation²), what lies outside [lower, upper] drawn again.
  case truncatedNormal(mean: Float = 0, deviation: Float = 1, from: Float = -2, to: Float = 2)
  /// U(±gain · √(3 / fan)).
  ///
  /// Source: He et al. 2015, "Delving Deep into Rectifiers", section 2.2.
  case kaimingUniform(fan: Fan = .input, nonlinearity: Nonlinearity = .leakyReLU(slope: 0))
  /// N(0, gain² / fan).
  ///
  /// Source: He et al. 2015, "Delving Deep into Rectifiers", equations 10 and 14.
  case kaimingNormal(fan: Fan = .input, nonlinearity: Nonlinearity = .leakyReLU(slope: 0))
  /// U(±gain · √(6 / (fan-in + fan-out))).
  ///
  /// Source: Glorot and Bengio 2010, equation 16.
  case xavierUniform(gain: Float = 1)
  /// N(0, gain² · 2 / (fan-in + fan-out)).
  ///
  /// Source: Glorot and Bengio 2010, equation 12.
  case xavierNormal(gain: Float = 1)
  /// Orthonormal rows or columns, whichever are fewer, times `gain`; axes after the first are one.
  ///
  /// Source: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning".
  case orthogonal(gain: Float = 1)
  /// The identity: a square of ones on the diagonal, and for a convolution's kernel its centre.
  case identity

  /// Which of a weight's sides is counted.
  public enum Fan: String, Codable, Hashable, Sendable {
    /// The inputs: keeps the size of activations.
    case input
    /// The outputs: keeps the size of gradients.
    case output
  }

  /// What follows the layer, by which its start is scaled.
  public enum Nonlinearity: Codable, Hashable, Sendable {
    /// Gain 1.
    case linear
    /// Gain 1.
    case sigmoid
    /// Gain 5/3.
    case tanh
    /// Gain √2.
    case relu
    /// Gain √(2 / (1 + slope²)).
    case leakyReLU(slope: Float)
    /// Gain 3/4.
    case selu

    /// The factor that makes up for what the function takes from the deviation; torch's numbers.
    public var gain: Float {
      switch self {
      case .linear, .sigmoid: 1
      case .tanh: 5 / 3
      case .relu: Float(2).squareRoot()
      case .leakyReLU(let slope): (2 / (1 + slope * slope)).squareRoot()
      case .selu: 0.75
      }
    }
  }

  /// The start of weights in linear layers and convolutions: Kaiming's uniform for a slope of √5,
  /// which is U(±1/√fan-in), as torch has it.
  public static let layerDefault = Initializer.kaimingUniform(
    nonlinearity: .leakyReLU(slope: Float(5).squareRoot())
  )

  /// 1/√fan-in, the bound of a layer's bias at the start; 0 without inputs.
  static func biasBound(fanIn: Int) -> Float { fanIn > 0 ? 1 / Float(fanIn).squareRoot() : 0 }

  /// Draws a tensor.
  ///
  /// - Parameters:
  ///   - shape: what to fill; at least two axes where a fan or orthogonality is asked for.
  ///   - generator: the source of the random numbers.
  /// - Returns: a tensor of that shape.
  public func callAsFunction(_ shape: Shape, using generator: inout Philox) -> Tensor<Float> {
    switch self {
    case .constant(let value):
      return Tensor(repeating: value, shape: shape)
    case .uniform(let lower, let upper):
      return .uniform(shape, from: lower, to: upper, using: &generator)
    case .normal(let mean, let deviation):
      return .normal(shape, mean: mean, deviation: deviation, using: &generator)
    case .truncatedNormal(let mean, let deviation, let lower, let upper):
      let draw = TruncatedNormal(mean: mean, deviation: deviation, lower: lower, upper: upper)
      return draw(shape, using: &generator)
    case .kaimingUniform(let fan, let nonlinearity):
      let bound = deviation(shape, fan, nonlinearity) * Float(3).squareRoot()
      return .uniform(shape, from: -bound, to: bound, using: &generator)
    case .kaimingNormal(let fan, let nonlinearity):
      let deviation = deviation(shape, fan, nonlinearity)
      return .normal(shape, deviation: deviation, using: &generator)
    case .xavierUniform(let gain):
      let bound = gain * (6 / Float(fans(shape).input + fans(shape).output)).squareRoot()
      return .uniform(shape, from: -bound, to: bound, using: &generator)
    case .xavierNormal(let gain):
      let deviation = gain * (2 / Float(fans(shape).input + fans(shape).output)).squareRoot()
      return .normal(shape, deviation: deviation, using: &generator)
    case .orthogonal(let gain):
      return orthogonalTensor(shape, gain: gain, using: &generator)
    case .identity:
      return identityTensor(shape)
    }
  }

  private func deviation(_ shape: Shape, _ fan: Fan, _ nonlinearity: Nonlinearity) -> Float {
    let count = fan == .input ? fans(shape).input : fans(shape).output
    return count > 0 ? nonlinearity.gain / Float(count).squareRoot() : 0
  }

  private func fans(_ shape: Shape) -> (input: Int, output: Int) {
    expect(shape.rank >= 2, "initializer: a fan needs at least two axes, found \(shape)")
    let kernel = shape.extents.dropFirst(2).reduce(1, *)
    return (shape[1] * kernel, shape[0] * kernel)
  }
}

extension Parameter {
  /// Starts the parameter anew from an initializer.
  public func fill(with initializer: Initializer, using generator: inout Philox) {
    value = initializer(shape, using: &generator)
  }
}

/// Ones where output and input channel agree, at the centre of the kernel, if there is one.
private func identityTensor(_ shape: Shape) -> Tensor<Float> {
  expect(shape.rank >= 2, "identity initializer: at least two axes are needed, found \(shape)")
  let extents = shape.extents.dropFirst(2)
  let kernel = extents.reduce(1, *)
  let centre = extents.reduce(0) { $0 * $1 + $1 / 2 }
  var tensor = Tensor<Float>.zeros(shape)
  tensor.withUnsafeMutableElements { elements in
    for index in 0..<min(shape[0], shape[1]) where kernel > 0 {
      elements[(index * shape[1] + index) * kernel + centre] = 1
    }
  }
  return tensor
}

/// A normal distribution without its tails.
private struct TruncatedNormal {
  let mean: Float
  let deviation: Float
  let lower: Float
  let upper: Float

  /// Draws again what falls outside; the bounds must leave enough to draw from.
  func callAsFunction(_ shape: Shape, using generator: inout Philox) -> Tensor<Float> {
    expect(
      deviation > 0 && lower < upper && lower <= mean + 4 * deviation
        && upper >= mean - 4 * deviation && upper - lower > deviation * 1e-3,
      "truncated normal: nothing to draw from [\(lower), \(upper)] around \(mean) ± \(deviation)"
    )
    var tensor = Tensor<Float>.normal(shape, mean: mean, deviation: deviation, using: &generator)
    tensor.withUnsafeMutableElements { elements in
      for index in elements.indices {
        while !(elements[index] >= lower && elements[index] <= upper) {
          let fresh = Tensor.normal([1], mean: mean, deviation: deviation, using: &generator)
          elements[index] = fresh.item
        }
      }
    }
    return tensor
  }
}
