public import Autograd
public import Tensor

/// Trains parameters so that a function of samples comes close to given outputs: FlexRound's and
/// LRQ's reconstruction of a layer, a stack of layers, or a block.
///
///     loss = Σ over tokens of (f(x) − y)², then the mean over samples and features
///
/// Adam (0.9, 0.999, 10⁻⁸), one rate for all parameters that falls to 0 as half a cosine wave, small
/// batches in a new order each epoch. What is trained is the caller's: roundings, step sizes of
/// activations, or both. Nothing depends on the thread count or on anything but the seed.
///
///     let rounding = try FlexRound(weight, scheme: scheme)
///     let layer = RoundedLinear(rounding)
///     let report = try Reconstruction().run(
///       layer.parameters(), inputs: x, targets: y, forward: { layer($0) })
///     let packed = layer.packed()
///
/// - Shapes: inputs and targets [samples × …]; with three or more axes of targets, the second is
///   that of the tokens (of the channels, for images).
/// - Source: Lee et al. 2023 (FlexRound), section 3; the official code for the optimizer, the loss and
///   the order.
/// - Deviation: the parameters with the smallest error on held-back samples are left, the start
///   included, so that no run ends worse than round-to-nearest there; `Selection.last` is the
///   official rule. A loss that is not finite starts over with half the rate, once.
public struct Reconstruction: Sendable {
  /// What a run is told after each step.
  public struct Progress: Sendable {
    /// The steps done.
    public var step: Int
    /// All steps.
    public var steps: Int
    /// The loss of the last step.
    public var loss: Float
  }

  /// What is made small on a batch, from the function's output and the target; a scalar.
  public typealias Loss = (_ output: Variable, _ target: Tensor<Float>) -> Variable

  /// How it trains.
  public let settings: ReconstructionSettings

  /// A reconstruction.
  public init(_ settings: ReconstructionSettings = ReconstructionSettings()) {
    expect(
      settings.steps >= 0 && settings.batchSize > 0 && settings.heldBackShare >= 0
        && settings.heldBackShare < 1,
      "reconstruction: \(settings.steps) steps of \(settings.batchSize) samples, "
        + "\(settings.heldBackShare) held back"
    )
    self.settings = settings
  }

  /// The loss of a batch: the squared error summed over axis 1, then the mean over the others.
  ///
  /// Without tokens (two axes or one) it is the plain mean.
  public static func loss(_ output: Variable, target: Tensor<Float>) -> Variable {
    let mean = meanSquaredError(predictions: output, targets: Variable(target))
    return output.rank > 2 ? mean * Float(output.shape[1]) : mean
  }

  /// Trains the parameters.
  ///
  /// - Parameters:
  ///   - parameters: what changes; frozen ones do not.
  ///   - inputs: the samples as the quantized path brings them.
  ///   - originals: the samples as the original path brings them, which QDrop mixes in.
  ///   - targets: what the original function makes of the original samples.
  ///   - batches: the samples of each step; nil for a new order in each epoch.
  ///   - forward: the function.
  ///   - loss: what is made small, and judged by on held-back samples; by default the squared error, as
  ///     `loss(_:target:)` for training and as its mean for judging.
  ///   - penalty: what is added to the loss of a step, by the share of the steps that are done; nil for
  ///     nothing. It is trained on, and does not judge.
  ///   - willTrain: told whether the calls of `forward` that follow train or judge; those that judge
  ///     must give the same for the same parameters.
  ///   - progress: told after each step; return false to stop.
  /// - Returns: what happened; the parameters hold what was chosen.
  /// - Throws: `QuantizationError.cancelled`, with the parameters as they were at the start.
  @discardableResult
  public func run(
    _ parameters: [Parameter],
    inputs: Tensor<Float>,
    originals: Tensor<Float>? = nil,
    targets: Tensor<Float>,
    batches: [[Int]]? = nil,
    forward: @escaping (Variable) -> Variable,
    loss: Loss? = nil,
    penalty: @escaping (_ share: Float) -> Variable? = { _ in nil },
    willTrain: @escaping (Bool) -> Void = { _ in },
    progress: (Progress) -> Bool = { _ in true }
  ) throws(QuantizationError) -> ReconstructionReport {
    expect(
      inputs.rank > 0 && targets.rank > 0 && inputs.shape[0] == targets.shape[0]
        && inputs.shape[0] > 0,
      "reconstruction: samples and targets differ, \(inputs.shape) · \(targets.shape)"
    )
    expect(
      originals == nil || originals?.shape == inputs.shape,
      "reconstruction: original samples \(originals?.shape ?? []) · \(inputs.shape)"
    )
    var run = ReconstructionRun(
      settings: settings,
      parameters: parameters.filter(\.isTrainable),
      samples: ReconstructionSamples(
        inputs: inputs,
        originals: originals,
        targets: targets,
        settings: settings,
        batches: batches
      )
    )
    let function = ReconstructedFunction(
      forward: forward,
      loss: loss,
      penalty: penalty,
      willTrain: willTrain
    )
    return try run.train(function, progress)
  }
}
