public import Tensor

/// Lets an optimizer see parameters as ratios to what they start at: p = p₀ ∘ r, r = 1 at first.
///
/// A learning rate then means the same for large and small ones: about the largest share by which a
/// step changes an element. Scales of quantized weights are what it is for. The parameters hold p all
/// the time, but for the moment of a step; moments are those of r. What starts at 0 stays 0. Weight
/// decay would pull r to 0.
public final class RelativeSteps: TrainingOptimizer {
  private let optimizer: any TrainingOptimizer
  private let parts: [(parameter: Parameter, start: Tensor<Float>, divisors: Tensor<Float>)]

  /// Steps of `optimizer` on the ratios of `parameters`, which now have the values p₀.
  ///
  /// - Parameters:
  ///   - optimizer: what changes the parameters, at least these.
  ///   - parameters: what is seen as ratios.
  public init(_ optimizer: any TrainingOptimizer, of parameters: [Parameter]) {
    self.optimizer = optimizer
    parts = parameters.map { parameter in
      let start = parameter.value
      return (parameter, start, select(start .== 0, 1, start))
    }
  }

  /// η, about the largest change of a ratio.
  public var learningRate: Float {
    get { optimizer.learningRate }
    set { optimizer.learningRate = newValue }
  }

  /// Changes the parameters by ∂L/∂r = p₀ ∘ ∂L/∂p.
  public func step() {
    let gradients = parts.map(\.parameter.gradient)
    for (parameter, start, divisors) in parts {
      parameter.value = parameter.value / divisors
      parameter.gradient = parameter.gradient.map { $0 * start }
    }
    optimizer.step()
    for ((parameter, start, _), gradient) in zip(parts, gradients) {
      parameter.value = parameter.value * start
      parameter.gradient = gradient
    }
  }

  /// The state of the optimizer.
  public func state() -> [String: Tensor<Float>] { optimizer.state() }

  /// Takes over a state; the parameters' starts are those from when this was made.
  ///
  /// - Throws: What the optimizer throws.
  public func load(_ state: [String: Tensor<Float>]) throws { try optimizer.load(state) }
}
