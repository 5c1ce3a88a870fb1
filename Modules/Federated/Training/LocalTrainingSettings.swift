/// How a device trains: stochastic gradient descent on its own examples.
///
///     u ← u − η (g + λ u + μ (u − u₀))        for each batch, E times over the examples
///
/// - Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
///   Decentralized Data", algorithm 1; μ: Li et al. 2020, "Federated Optimization in Heterogeneous
///   Networks" (FedProx); absent classes: Diao et al. 2021, "HeteroFL", section 3.
public struct LocalTrainingSettings: Codable, Hashable, Sendable {
  /// What a device does with its examples.
  public enum Method: String, Codable, Hashable, Sendable, CaseIterable {
    /// E epochs of small batches.
    case localSGD
    /// One gradient of all examples: the update is −g, and the server's rate is the step.
    case gradient
  }

  /// What a device does with its examples.
  public var method = Method.localSGD
  /// η.
  public var learningRate: Float = 0.05
  /// The examples of a batch; the last batch of an epoch may be short.
  public var batchSize = 32
  /// E, how often all examples are used.
  public var epochs = 1
  /// The share of the velocity that stays from step to step; it starts from 0 in each round.
  public var momentum: Float = 0
  /// λ, decay of the weights towards 0, on the device alone.
  public var weightDecay: Float = 0
  /// μ, the pull towards the weights that the device received; 0 for none.
  public var proximal: Float = 0
  /// The largest norm of a gradient; nil leaves it as it is.
  public var gradientNorm: Float?
  /// Whether logits of classes that the device lacks are set to 0, so that they take no gradient.
  public var masksAbsentClasses = false
  /// Whether a narrow model's activations are multiplied by 1/rate while it is trained.
  public var scalesActivations = false
  /// The widths that ordered slices are trained at, batch by batch.
  public var levels = Rate.levels
  /// α, the weight of the loss of an ordered prefix towards the outputs of the device's whole model; 0
  /// for none.
  ///
  /// Source: Horváth et al. 2021, "FjORD", section 3.2.
  public var distillation: Float = 0

  /// The defaults: rate 0.05, batches of 32, one epoch.
  public init() {}

  /// What is out of range, in words; nil when the settings can be used.
  public var fault: String? {
    if !(learningRate.isFinite && learningRate >= 0) { return "a learning rate of \(learningRate)" }
    if batchSize < 1 { return "batches of \(batchSize)" }
    if epochs < 1 { return "\(epochs) epochs" }
    if !(0..<1).contains(momentum) { return "a momentum of \(momentum)" }
    if !(weightDecay.isFinite && weightDecay >= 0) { return "a weight decay of \(weightDecay)" }
    if !(proximal.isFinite && proximal >= 0) { return "a proximal weight of \(proximal)" }
    if let gradientNorm, !(gradientNorm > 0) { return "a gradient norm of \(gradientNorm)" }
    if levels.isEmpty { return "ordered slices without levels" }
    return (0...1).contains(distillation) ? nil : "a distillation weight of \(distillation)"
  }

  /// The steps that this many examples make.
  public func stepCount(examples: Int) -> Int {
    switch method {
    case .localSGD: epochs * ((examples + batchSize - 1) / batchSize)
    case .gradient: examples > 0 ? 1 : 0
    }
  }
}
