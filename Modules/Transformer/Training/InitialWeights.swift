public import Autograd
public import Tensor

/// How the matrices of a new model start.
public struct InitialDeviation: Codable, Hashable, Sendable {
  /// The standard deviation of all matrices, embedding and head included.
  public var matrices: Float
  /// The factor of the matrices that write to the residual stream.
  public var outputScale: Float

  /// Normal numbers of one deviation; Megatron's scaled start divides outputs by √(2L).
  public init(matrices: Float = 0.02, outputScale: Float = 1) {
    self.matrices = matrices
    self.outputScale = outputScale
  }

  /// The deviation whose product with √D is that of 0.02 at a width of 1024.
  ///
  /// A plain 0.02 makes the modules of narrow models nearly silent.
  public static func widthScaled(_ width: Int) -> InitialDeviation {
    InitialDeviation(matrices: 0.02 * 32 / Float(width).squareRoot())
  }
}

/// Random weights for a new model: a source that makes what it is asked for.
public final class InitialWeights: WeightSource {
  private let deviation: InitialDeviation
  private let outputs: Set<String>
  private var generator: Philox

  /// A source for a configuration; the same generator gives the same weights.
  public init(
    _ configuration: TransformerConfiguration,
    deviation: InitialDeviation = InitialDeviation(),
    using generator: Philox
  ) {
    self.deviation = deviation
    self.generator = generator
    let names = configuration.family.names
    outputs = Set(
      (0..<configuration.blockCount).flatMap { block in
        ["attention.output", "feedForward.down"].map { names.layer("blocks.\(block).\($0)") }
      }
    )
  }

  /// True: everything can be made.
  public func contains(_ name: String) -> Bool { true }

  /// Ones: the scale of a norm.
  public func tensor(_ name: String, shape: Shape) -> Tensor<Float> { .ones(shape) }

  /// A parameter that starts as the model says.
  public func parameter(_ name: String, shape: Shape, initial: Initializer) -> Parameter {
    Parameter(initial(shape, using: &generator))
  }

  /// A layer of normal weights and biases of 0.
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) -> any LinearLayer {
    let scale = outputs.contains(name) ? deviation.outputScale : 1
    let weight = Tensor<Float>.normal(
      [outputWidth, inputWidth],
      deviation: deviation.matrices * scale,
      using: &generator
    )
    let bias = hasBias ? Parameter(.zeros([outputWidth])) : nil
    return Linear(weight: Parameter(weight), bias: bias)
  }
}
