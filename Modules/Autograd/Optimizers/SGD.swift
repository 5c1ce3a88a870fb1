public import Tensor

/// Stochastic gradient descent, with momentum if wanted.
///
///     g ← g + λ w
///     v ← μ v + g                    v = 0 at first; without momentum v = g
///     w ← w − η v                    or, with Nesterov's momentum, w − η (g + μ v)
///
/// Defaults and order are those of `torch.optim.SGD` without dampening. The state holds
/// `NAME.velocity`, and nothing without momentum.
///
/// - Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
///   learning", equations 1 to 4. Deviation: as in torch, η is outside of v, so a new rate acts at
///   once.
/// - Complexity: one pass over value, gradient and velocity, in place.
public final class SGD: TrainingOptimizer {
  /// How a velocity is made of gradients.
  public enum Momentum: Codable, Hashable, Sendable {
    /// Not at all: the gradient itself is followed.
    case none
    /// A sum in which a gradient loses the factor `1 − μ` of its weight with each step, 0 < μ < 1.
    case heavyBall(Float)
    /// The same sum, one step ahead.
    case nesterov(Float)

    fileprivate var factor: Float {
      switch self {
      case .none: 0
      case .heavyBall(let factor), .nesterov(let factor): factor
      }
    }
  }

  /// η, the learning rate of the next step: a step per unit of gradient.
  public var learningRate: Float
  /// How gradients of earlier steps take part.
  public let momentum: Momentum
  /// λ, the share of a value that is added to its gradient, where the group has none of its own.
  public let weightDecay: Float
  private var parameters: OptimizedParameters

  /// An optimizer of groups of parameters.
  ///
  /// - Parameters:
  ///   - groups: what is optimized; no parameter twice.
  ///   - learningRate: η, 0 or more.
  ///   - momentum: how gradients of earlier steps take part.
  ///   - weightDecay: λ, 0 or more.
  public init(
    _ groups: [ParameterGroup],
    learningRate: Float = 1e-3,
    momentum: Momentum = .none,
    weightDecay: Float = 0
  ) {
    expectRate(learningRate)
    expectDecay(weightDecay)
    expectFactors(Double(momentum.factor))
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    parameters = OptimizedParameters(groups, moments: momentum == .none ? [] : ["velocity"])
  }

  /// An optimizer of all parameters of a module.
  ///
  /// - Parameters:
  ///   - module: what is optimized.
  ///   - learningRate: η, 0 or more.
  ///   - momentum: how gradients of earlier steps take part.
  ///   - weightDecay: λ, 0 or more.
  public convenience init(
    _ module: any Module,
    learningRate: Float = 1e-3,
    momentum: Momentum = .none,
    weightDecay: Float = 0
  ) {
    self.init(
      [ParameterGroup(module)],
      learningRate: learningRate,
      momentum: momentum,
      weightDecay: weightDecay
    )
  }

  /// Changes the trainable parameters that have a gradient.
  public func step() {
    let (factor, looksAhead) = (momentum.factor, momentum == .nesterov(momentum.factor))
    parameters.step(learningRate: learningRate, weightDecay: weightDecay) {
      turn,
      value,
      gradient,
      moments in
      let step = MomentumStep(
        rate: Float(turn.rate),
        momentum: factor,
        decay: Float(turn.weightDecay),
        looksAhead: looksAhead
      )
      if moments.isEmpty {
        value.step(step, gradient: gradient)
      } else {
        value.step(step, gradient: gradient, velocity: &moments[0])
      }
    }
  }

  /// The velocities by name.
  public func state() -> [String: Tensor<Float>] { parameters.state() }

  /// Takes over a state, all or none.
  ///
  /// - Throws: `OptimizerStateError`, which names the tensor that does not fit.
  public func load(_ state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    try parameters.load(state)
  }
}
