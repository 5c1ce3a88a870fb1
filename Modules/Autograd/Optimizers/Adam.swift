public import Tensor

/// Adam: steps of about the same size for every element; decay goes through the gradient.
///
///     g ← g + λ w
///     w ← w − η m̂ / (√v̂ + ε)
///
/// m̂ and v̂ are the moving averages of g and g², m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g²,
/// divided by 1 − β₁ᵗ and 1 − β₂ᵗ; t counts the steps of each parameter by itself, as in torch.
/// Defaults are those of `torch.optim.Adam`. The state holds `NAME.firstMoment`,
/// `NAME.secondMoment` and `NAME.steps`.
///
/// - Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.
/// - Complexity: one pass over value, gradient and both moments, in place; as much memory for the
///   moments as two values take.
public final class Adam: TrainingOptimizer {
  /// η, the learning rate of the next step: about the largest change of an element.
  public var learningRate: Float
  /// β₁ and β₂, the factors by which the averages of g and g² forget, in 0 ..< 1.
  ///
  /// In Double, because 1 − β is what counts, and loses three digits near 0.999.
  public var betas: (Double, Double) { moments.betas }
  /// ε, which bounds what a tiny gradient is multiplied by.
  public var epsilon: Float { moments.epsilon }
  /// λ, the share of a value that is added to its gradient, where the group has none of its own.
  public var weightDecay: Float { moments.weightDecay }
  private var moments: AdamMoments

  /// An optimizer of groups of parameters.
  ///
  /// - Parameters:
  ///   - groups: what is optimized; no parameter twice.
  ///   - learningRate: η, 0 or more.
  ///   - betas: β₁ and β₂, in 0 ..< 1.
  ///   - epsilon: ε, above 0.
  ///   - weightDecay: λ, 0 or more.
  public init(
    _ groups: [ParameterGroup],
    learningRate: Float = 1e-3,
    betas: (Double, Double) = (0.9, 0.999),
    epsilon: Float = 1e-8,
    weightDecay: Float = 0
  ) {
    expectRate(learningRate)
    self.learningRate = learningRate
    moments = AdamMoments(
      groups,
      betas: betas,
      epsilon: epsilon,
      weightDecay: weightDecay,
      decouplesDecay: false
    )
  }

  /// An optimizer of all parameters of a module.
  ///
  /// - Parameters:
  ///   - module: what is optimized.
  ///   - learningRate: η, 0 or more.
  ///   - betas: β₁ and β₂, in 0 ..< 1.
  ///   - epsilon: ε, above 0.
  ///   - weightDecay: λ, 0 or more.
  public convenience init(
    _ module: any Module,
    learningRate: Float = 1e-3,
    betas: (Double, Double) = (0.9, 0.999),
    epsilon: Float = 1e-8,
    weightDecay: Float = 0
  ) {
    self.init(
      [ParameterGroup(module)],
      learningRate: learningRate,
      betas: betas,
      epsilon: epsilon,
      weightDecay: weightDecay
    )
  }

  /// Changes the trainable parameters that have a gradient.
  public func step() { moments.step(learningRate: learningRate) }

  /// The moments and step counts by name.
  public func state() -> [String: Tensor<Float>] { moments.state() }

  /// Takes over a state, all or none.
  ///
  /// - Throws: `OptimizerStateError`, which names the tensor that does not fit.
  public func load(_ state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    try moments.load(state)
  }
}
