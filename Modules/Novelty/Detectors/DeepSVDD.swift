import Autograd
public import Tensor

/// Deep SVDD, one class: a network that maps normal samples close to a fixed centre.
///
///     L = mean ‖φ(x_i) − c‖² + λ/2 Σ ‖W‖²        score(x) = ‖φ(x) − c‖²
///
/// c is the mean of φ(x_i) before training, its elements kept away from 0. The network has no bias
/// terms, no trained shifts and no bounded activations, or it could map everything to c.
///
/// - Source: Ruff et al. 2018, "Deep One-Class Classification", equation 4 and propositions 1 to 3;
///   the centre's distance from 0 as in the official code.
/// - Deviation: the weights are not pre-trained as an autoencoder's.
public final class DeepSVDD: NoveltyDetector {
  /// How the network is built and trained.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The widths of the hidden layers.
    public var hiddenWidths = [256, 128]
    /// The width of φ(x).
    public var latentWidth = 32
    /// What happens to inputs first.
    public var scaling = InputScaling.none
    /// Adam's rate; a tenth of it in the last quarter.
    public var learningRate: Float = 1e-3
    /// λ.
    public var weightDecay: Float = 1e-6
    /// The samples of a step.
    public var batchSize = 256
    /// The epochs.
    public var epochs = 30
    /// The source of start and order.
    public var seed: UInt64 = 0

    /// The defaults of the paper, but for networks of linear layers.
    public init() {}

    func check() throws(NoveltyError) {
      guard ([latentWidth, epochs, batchSize - 1] + hiddenWidths).allSatisfy({ $0 > 0 }),
        hiddenWidths.count < 64, (hiddenWidths + [latentWidth]).allSatisfy({ $0 <= 1 << 20 }),
        learningRate > 0, learningRate.isFinite, weightDecay >= 0, weightDecay.isFinite
      else { throw .configuration("Deep SVDD: widths, epochs and rates are above 0, batches of 2") }
    }
  }

  /// The name in files and reports.
  public static let kind = "deep-svdd"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  private var fitted: (preparation: InputPreparation, network: NetworkChain, centre: Tensor<Float>)?

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  /// The shape of one sample; nil before the fit.
  public var sampleShape: [Int]? { fitted?.preparation.layout.sampleShape }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    try configuration.check()
    try data.check()
    let preparation = InputPreparation(scaling: configuration.scaling, training: data.inputs)
    let rows = preparation.rows(of: data.inputs)
    var generator = Philox(seed: configuration.seed).fork(0)
    let network = network(width: preparation.layout.width, using: &generator)
    let centre = centre(network, rows)
    let report = try train(network, rows, centre, options)
    network.eval()
    fitted = (preparation, network.folded(), centre)
    calibration = nil
    return report
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    guard let fitted else { throw .notFitted(detector: Self.kind) }
    var scores: [Float] = []
    inputs.forEachBatch(of: 1024) { batch in
      let latents = fitted.network(fitted.preparation.rows(of: batch))
      scores += (latents - fitted.centre).rowSquaredNorms()
    }
    return scores.soundScores
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    guard let fitted else { throw .notFitted(detector: Self.kind) }
    var state = DetectorState()
    fitted.preparation.add(to: &state)
    state.tensors["centre"] = fitted.centre
    var network = DetectorState()
    network.tensors = fitted.network.state()
    state.add(network, under: "network")
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try configuration.check()
    let preparation = try InputPreparation(state, scaling: configuration.scaling)
    let width = preparation.layout.width
    let stored = state.part("network").tensors
    let widths = [width] + configuration.hiddenWidths + [configuration.latentWidth]
    let needed = zip(widths, widths.dropFirst()).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    guard needed <= stored.values.reduce(0.0, { $0 + Double($1.count) }) else {
      throw .content(path: state.path, reason: "the network needs \(needed) numbers")
    }
    var generator = Philox(seed: 0)
    let network = network(width: width, using: &generator)
    network.eval()
    // As it was saved: norms are part of the layers.
    let folded = network.folded()
    do throws(ModuleError) { try folded.load(stored) } catch { throw .network(error) }
    let centre = try state.tensor("centre", shape: [configuration.latentWidth])
    fitted = (preparation, folded, centre)
    calibration = nil
  }
}

extension DeepSVDD {
  private func network(width: Int, using generator: inout Philox) -> NetworkChain {
    let widths = [width] + configuration.hiddenWidths + [configuration.latentWidth]
    let stages = (1..<widths.count).map { index in
      let isLast = index == widths.count - 1
      let layer = Linear(
        inputWidth: widths[index - 1],
        outputWidth: widths[index],
        hasBias: false,
        using: &generator
      )
      let norm = isLast ? nil : BatchNorm(channels: widths[index])
      // Scales and shifts stay 1 and 0.
      norm?.freeze()
      return NetworkStage(layer, norm: norm, activation: isLast ? nil : .leakyReLU())
    }
    return NetworkChain(stages, inputExtents: [width])
  }

  /// The mean output, elements near 0 moved to ±0.1.
  private func centre(_ network: NetworkChain, _ rows: Tensor<Float>) -> Tensor<Float> {
    var (sum, count) = (Tensor<Float>.zeros([configuration.latentWidth]), Float(0))
    network.train()
    rows.forEachBatch(of: 1024) { batch in
      guard batch.shape[0] > 1 else { return }
      sum += network(batch).sum(axes: 0)
      count += Float(batch.shape[0])
    }
    return Tensor((sum / count).elements.map { abs($0) < 0.1 ? ($0 < 0 ? -0.1 : 0.1) : $0 })
  }

  private func train(
    _ network: NetworkChain,
    _ rows: Tensor<Float>,
    _ centre: Tensor<Float>,
    _ options: FitOptions
  ) throws(NoveltyError) -> FitReport {
    let optimizer = Adam(
      network,
      learningRate: configuration.learningRate,
      weightDecay: configuration.weightDecay
    )
    let parameters = network.parameters()
    let loop = EpochLoop(
      epochs: configuration.epochs,
      batchSize: configuration.batchSize,
      seed: configuration.seed,
      options: options
    )
    let checkpoints = try FitCheckpoints(
      options,
      configuration: configuration,
      samples: ["samples": (rows, nil)],
      parts: [TrainingPart("network", network), TrainingPart("optimizer", optimizer)]
    )
    return try loop.run(rows, checkpoints) { (batch, step) throws(NoveltyError) in
      optimizer.learningRate = configuration.learningRate * (step.share < 0.75 ? 1 : 0.1)
      let differences = network(Variable(batch)) - Variable(centre)
      let loss = differences.square().sum() * (1 / Float(batch.shape[0]))
      loss.backward()
      optimizer.step()
      for parameter in parameters { parameter.clearGradient() }
      return [("distance", Double(loss.item))]
    }
  }
}
