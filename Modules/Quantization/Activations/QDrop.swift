public import Autograd
public import Tensor

/// QDrop: while a block is trained, each activation is quantized with probability p only.
///
///     x̃ = x̂ where a coin of probability p shows heads, else x
///
/// Drawn element by element; p = 1 in use. The published p is one half.
///
/// - Shapes: x, x̂ and x̃ alike.
/// - Source: Wei et al. 2022, "QDrop: Randomly Dropping Quantization for Extremely Low-bit
///   Post-Training Quantization", with its probability of one half.
public enum QDrop {
  /// The mixture of two tensors, say the inputs of a block behind the quantized and behind the
  /// original blocks.
  public static func mixing(
    _ quantized: Tensor<Float>,
    _ original: Tensor<Float>,
    probability: Float,
    using generator: inout Philox
  ) -> Tensor<Float> {
    expect(
      quantized.shape == original.shape,
      "QDrop: shapes differ, \(quantized.shape) · \(original.shape)"
    )
    let heads = Tensor<Bool>.bernoulli(
      quantized.shape,
      probability: probability,
      using: &generator
    )
    return select(heads, quantized, original)
  }

  /// The mixture on the tape: each element's gradient goes where it came from.
  public static func mixing(
    _ quantized: Variable,
    _ original: Variable,
    probability: Float,
    using generator: inout Philox
  ) -> Variable {
    expect(
      quantized.shape == original.shape,
      "QDrop: shapes differ, \(quantized.shape) · \(original.shape)"
    )
    let heads = Tensor<Bool>.bernoulli(
      quantized.shape,
      probability: probability,
      using: &generator
    )
    return .custom(
      select(heads, quantized.value, original.value),
      inputs: [quantized, original]
    ) { gradient in
      [select(heads, gradient, 0), select(heads, 0, gradient)]
    }
  }
}

/// An activation quantizer that rounds by chance while it is trained.
public final class DroppingQuantizer: ActivationQuantizer, TrainingDependent {
  /// The rounding.
  public let quantizer: any ActivationQuantizer
  /// p, with which a value is rounded in training.
  public let probability: Float
  /// Whether values are spared by chance; else all are rounded.
  public var isTraining = true
  private var generator: Philox

  /// A rounding that is applied with a probability while it is trained.
  public init(_ quantizer: any ActivationQuantizer, probability: Float = 0.5, generator: Philox) {
    expect(probability >= 0 && probability <= 1, "QDrop: a probability of \(probability)")
    self.quantizer = quantizer
    self.probability = probability
    self.generator = generator
  }

  /// x̃ in training, x̂ in use.
  public func callAsFunction(_ input: Variable) -> Variable {
    let rounded = quantizer(input)
    guard isTraining, probability < 1 else { return rounded }
    return QDrop.mixing(rounded, input, probability: probability, using: &generator)
  }
}
