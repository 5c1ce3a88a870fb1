import Autograd

/// How rounding is trained against the outputs of the original layers.
///
/// The defaults are for a few hundred steps on CPUs; `published` has the papers' numbers.
public struct ReconstructionSettings: Codable, Hashable, Sendable {
  /// Which parameters a run leaves.
  public enum Selection: String, Codable, Hashable, Sendable {
    /// The best of start, checkpoints and end, by the error on held-back samples.
    case best
    /// The last ones, as the official code does.
    case last
  }

  /// The updates.
  public var steps: Int
  /// The samples of an update.
  public var batchSize: Int
  /// The rate at the start, which falls to 0 as half a cosine wave; nil for `automaticRate`.
  public var learningRate: Float?
  /// The share of the samples that is not trained on but judges the result; at least one sample where
  /// there are two.
  public var heldBackShare: Double
  /// The updates between two looks at the held-back samples; nil for a tenth of `steps`.
  public var checkInterval: Int?
  /// Which parameters are left.
  public var selection: Selection
  /// The probability with which an element of the input is the quantized path's (QDrop); 1 for all.
  public var quantizedInputProbability: Float
  /// The seed of the order of samples, of what is held back, and of QDrop.
  public var seed: UInt64

  /// Settings.
  public init(
    steps: Int = 200,
    batchSize: Int = 2,
    learningRate: Float? = nil,
    heldBackShare: Double = 0.125,
    checkInterval: Int? = nil,
    selection: Selection = .best,
    quantizedInputProbability: Float = 1,
    seed: UInt64 = 0
  ) {
    self.steps = steps
    self.batchSize = batchSize
    self.learningRate = learningRate
    self.heldBackShare = heldBackShare
    self.checkInterval = checkInterval
    self.selection = selection
    self.quantizedInputProbability = quantizedInputProbability
    self.seed = seed
  }

  /// The official code's run: 5000 steps of two samples, nothing held back, the last parameters.
  ///
  /// - Parameter learningRate: 3·10⁻⁴ to 3·10⁻³ in the papers' scripts.
  /// - Returns: the settings.
  public static func published(learningRate: Float) -> ReconstructionSettings {
    ReconstructionSettings(
      steps: 5000,
      learningRate: learningRate,
      heldBackShare: 0,
      selection: .last
    )
  }

  /// The rate for so many steps, where none is set: min(10⁻², 1.5·10⁻³ · √(5000 / steps)).
  ///
  /// Few steps need far larger rates than the published ones for 5000.
  public var automaticRate: Float {
    min(1e-2, 1.5e-3 * (5000 / Float(max(steps, 1))).squareRoot())
  }

  /// The rate of each step.
  func schedule(scale: Float) -> LearningRateSchedule {
    .cosine(from: (learningRate ?? automaticRate) * scale, steps: max(steps, 1))
  }
}

/// What a reconstruction did.
public struct ReconstructionReport: Codable, Hashable, Sendable {
  /// Which parameters were left.
  public enum Choice: String, Codable, Hashable, Sendable {
    /// Those of the start: nothing better was found, or the training did not stay finite.
    case start
    /// Those of a checkpoint on the way.
    case checkpoint
    /// The last ones.
    case end
  }

  /// The loss of each step on its batch: the squared error summed over tokens, then the mean over
  /// the rest.
  public var losses: [Float] = []
  /// The rate of each step.
  public var learningRates: [Float] = []
  /// The norm of the gradients of each step.
  public var gradientNorms: [Float] = []
  /// The mean squared error on the samples that judge, at the start.
  public var startError: Double = 0
  /// The smallest on the way, and after which step; nil if none was looked at.
  public var bestError: Double?
  /// After which step the error was smallest.
  public var bestStep: Int?
  /// The error at the end; nil if the training did not stay finite.
  public var endError: Double?
  /// The samples that judged; 0 if all were trained on and judged as well.
  public var heldBackCount = 0
  /// How often the training began again with half the rate because a loss was not finite.
  public var restarts = 0
  /// Which parameters were left.
  public var choice = Choice.start

  /// The error of what was left.
  public var error: Double {
    switch choice {
    case .start: startError
    case .checkpoint: bestError ?? startError
    case .end: endError ?? startError
    }
  }
}
