public import Tensor

/// Lion: every element moves by the learning rate, up or down.
///
///     c ← β₁ m + (1 − β₁) g
///     w ← w − η (sign(c) + λ w)
///     m ← β₂ m + (1 − β₂) g          m = 0 at first
///
/// One moment instead of Adam's two. Its steps are larger than Adam's at the same rate: the paper
/// takes a rate three to ten times smaller and a decay as many times larger. The state holds
/// `NAME.firstMoment`.
///
/// - Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2; the
///   defaults are those of the official code.
/// - Complexity: one pass over value, gradient and moment, in place.
public final class Lion: TrainingOptimizer {
  /// η, the learning rate of the next step: by how much each element changes.
  public var learningRate: Float
  /// β₁ and β₂, the shares of the moment in the direction and in the next moment, in 0 ..< 1.
  public let betas: (Double, Double)
  /// λ, the share of a value that a step at rate 1 subtracts, where the group has none of its own.
  public let weightDecay: Float
  private var parameters: OptimizedParameters

  /// An optimizer of groups of parameters.
  ///
  /// - Parameters:
  ///   - groups: what is optimized; no parameter twice.
  ///   - learningRate: η, 0 or more.
  ///   - betas: β₁ and β₂, in 0 ..< 1.
  ///   - weightDecay: λ, 0 or more.
  public init(
    _ groups: [ParameterGroup],
    learningRate: Float = 1e-4,
    betas: (Double, Double) = (0.9, 0.99),
    weightDecay: Float = 0
  ) {
    expectRate(learningRate)
    expectFactors(betas.0, betas.1)
    expectDecay(weightDecay)
    self.learningRate = learningRate
    self.betas = betas
    self.weightDecay = weightDecay
    parameters = OptimizedParameters(groups, moments: ["firstMoment"])
  }

  /// An optimizer of all parameters of a module.
  ///
  /// - Parameters:
  ///   - module: what is optimized.
  ///   - learningRate: η, 0 or more.
  ///   - betas: β₁ and β₂, in 0 ..< 1.
  ///   - weightDecay: λ, 0 or more.
  public convenience init(
    _ module: any Module,
    learningRate: Float = 1e-4,
    betas: (Double, Double) = (0.9, 0.99),
    weightDecay: Float = 0
  ) {
    self.init(
      [ParameterGroup(module)],
      learningRate: learningRate,
      betas: betas,
      weightDecay: weightDecay
    )
  }

  /// Changes the trainable parameters that have a gradient.
  public func step() {
    let rates = (blend: Float(1 - betas.0), mean: Float(1 - betas.1))
    parameters.step(learningRate: learningRate, weightDecay: weightDecay) {
      turn,
      value,
      gradient,
      moments in
      let step = LionStep(
        blendRate: rates.blend,
        meanRate: rates.mean,
        rate: Float(turn.rate),
        decay: Float(turn.rate * turn.weightDecay)
      )
      value.step(step, gradient: gradient, mean: &moments[0])
    }
  }

  /// The moments by name.
  public func state() -> [String: Tensor<Float>] { parameters.state() }

  /// Takes over a state, all or none.
  ///
  /// - Throws: `OptimizerStateError`, which names the tensor that does not fit.
  public func load(_ state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    try parameters.load(state)
  }
}
