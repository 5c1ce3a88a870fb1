import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What Adam and AdamW share: the moments of gradients.
///
///     m ← β₁ m + (1 − β₁) g          m̂ = m / (1 − β₁ᵗ)
///     v ← β₂ v + (1 − β₂) g²         v̂ = v / (1 − β₂ᵗ)
///
/// t counts the steps of each parameter by itself. The corrections are computed in Double.
struct AdamMoments {
  let betas: (Double, Double)
  let epsilon: Float
  let weightDecay: Float
  private let decouplesDecay: Bool
  private var parameters: OptimizedParameters

  init(
    _ groups: [ParameterGroup],
    betas: (Double, Double),
    epsilon: Float,
    weightDecay: Float,
    decouplesDecay: Bool
  ) {
    expectFactors(betas.0, betas.1)
    expectDecay(weightDecay)
    expect(
      epsilon > 0 && epsilon.isFinite,
      "optimizer: epsilon is \(epsilon), above 0 is needed"
    )
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decouplesDecay = decouplesDecay
    parameters = OptimizedParameters(
      groups,
      moments: ["firstMoment", "secondMoment"],
      countsSteps: true
    )
  }

  mutating func step(learningRate: Float) {
    let (betas, epsilon, decouplesDecay) = (betas, epsilon, decouplesDecay)
    parameters.step(learningRate: learningRate, weightDecay: weightDecay) {
      turn,
      value,
      gradient,
      moments in
      let (decay, count) = (turn.weightDecay, Double(turn.step))
      let step = AdamStep(
        rates: (Float(1 - betas.0), Float(1 - betas.1)),
        stepSize: Float(turn.rate / (1 - pow(betas.0, count))),
        rootScale: Float(1 / (1 - pow(betas.1, count)).squareRoot()),
        epsilon: epsilon,
        decay: decouplesDecay ? .decoupled(Float(turn.rate * decay)) : .coupled(Float(decay))
      )
      value.step(step, gradient: gradient, mean: &moments[0], square: &moments[1])
    }
  }

  func state() -> [String: Tensor<Float>] { parameters.state() }

  mutating func load(_ state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    try parameters.load(state)
  }
}
