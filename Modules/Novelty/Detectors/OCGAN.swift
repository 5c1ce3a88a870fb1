import Autograd
public import Tensor

/// OCGAN: a denoising autoencoder whose whole bounded latent space decodes to normal samples.
///
///     l₁ = E(x + n), n ~ N(0, 0.2 · I);  l₂ ~ U(−1, 1);  E ends with tanh
///     classifier       BCE(K(D(l₁)), 1) + BCE(K(D(l₂)), 0)
///     discriminators   BCE(C(l₂), 1) + BCE(C(l₁), 0) + BCE(V(x), 1) + BCE(V(D(l₂)), 0)
///     mining           l₂ moves uphill in BCE(K(D(l₂)), 1): latents that decode badly
///     generator        BCE(C(l₁), 1) + BCE(V(D(l₂)), 1) + λ · mean ‖x − D(l₁)‖²
///
/// The score is ‖x − D(E(x))‖². Labels are not used: it is made for one class.
///
/// - Source: Perera, Nallapati and Xiang 2019, "OCGAN: One-Class Novelty Detection Using GANs with
///   Constrained Latent Representations", algorithm 1.
/// - Choice: networks of linear layers, without batch norm, whose statistics would mix samples and
///   drawn latents; rates, and the number and size of mining steps.
/// - Deviation: λ weighs the mean over pixels, so that it does not depend on the size of images.
public final class OCGAN: NoveltyDetector {
  /// How the networks are built and trained.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The widths of the hidden layers; the decoder has them in reverse.
    public var hiddenWidths = [256, 128, 64]
    /// The width of the latent space.
    public var latentWidth = 32
    /// The hidden widths of the latent discriminator.
    public var discriminatorWidths = [128, 64]
    /// The hidden widths of the visual discriminator and the classifier.
    public var visualWidths = [256, 64]
    /// What happens to inputs first.
    public var scaling = InputScaling.none
    /// The deviation of the noise on inputs.
    public var noise = Float(0.2).squareRoot()
    /// λ.
    public var reconstructionWeight: Float = 100
    /// The steps that l₂ moves.
    public var miningSteps = 5
    /// How far an element of l₂ moves in a step.
    public var miningRate: Float = 0.05
    /// Adam's rate.
    public var learningRate: Float = 5e-4
    /// The samples of a step.
    public var batchSize = 128
    /// The epochs.
    public var epochs = 30
    /// The source of all randomness.
    public var seed: UInt64 = 0

    /// The chosen defaults.
    public init() {}

    func check() throws(NoveltyError) {
      let widths = hiddenWidths + [latentWidth] + discriminatorWidths + visualWidths
      guard (widths + [epochs, batchSize - 1]).allSatisfy({ $0 > 0 && $0 < 1 << 20 }),
        widths.count < 64, (0...1_000).contains(miningSteps)
      else { throw .configuration("OCGAN: widths and epochs are above 0, batches at least 2") }
      let rates = [noise, reconstructionWeight, miningRate]
      guard rates.allSatisfy({ $0 >= 0 && $0.isFinite }), learningRate > 0, learningRate.isFinite
      else { throw .configuration("OCGAN: noise, weights and rates are 0 or more") }
    }
  }

  /// The name in files and reports.
  public static let kind = "ocgan"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  private var fitted: (preparation: InputPreparation, networks: Autoencoder, inUse: Autoencoder)?

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
    try rows.checkUnitRange()
    let training = OCGANTraining(configuration, plan(preparation.layout))
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
      parts: training.parts
    )
    let report = try loop.run(rows, checkpoints) { training.step($0, index: $1.index) }
    take(preparation, training.networks)
    return report
  }

  private func take(_ preparation: InputPreparation, _ networks: Autoencoder) {
    networks.eval()
    fitted = (preparation, networks, Autoencoder(inUse: networks))
    calibration = nil
  }

  private func plan(_ layout: InputLayout) -> Autoencoder.Plan {
    Autoencoder.Plan(
      architecture: .perceptron(hiddenWidths: configuration.hiddenWidths),
      extents: layout.extents,
      latentWidth: configuration.latentWidth,
      output: .sigmoid,
      normalizesBatches: false
    )
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    guard let fitted else { throw .notFitted(detector: Self.kind) }
    var scores: [Float] = []
    inputs.forEachBatch(of: 512) { batch in
      let rows = fitted.preparation.rows(of: batch)
      let latents = fitted.inUse.encoder(rows).tanh()
      scores += rows.rowSquaredDistances(to: fitted.inUse.decoder(latents))
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
    var networks = DetectorState()
    networks.tensors = fitted.networks.state()
    state.add(networks, under: "networks")
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try configuration.check()
    let preparation = try InputPreparation(state, scaling: configuration.scaling)
    take(preparation, try Autoencoder(plan(preparation.layout), state.part("networks")))
  }
}

/// The networks of OCGAN in training.
private final class OCGANTraining {
  let networks: Autoencoder
  private let configuration: OCGAN.Configuration
  private let latentDiscriminator: MLP
  private let visualDiscriminator: MLP
  private let classifier: MLP
  private let optimizer: Adam
  private let discriminatorOptimizer: Adam
  private let classifierOptimizer: Adam
  private let generators: [Parameter]
  private let critics: [Parameter]

  init(_ configuration: OCGAN.Configuration, _ plan: Autoencoder.Plan) {
    self.configuration = configuration
    var generator = Philox(seed: configuration.seed).fork(OAAETraining.Stream.networks)
    networks = Autoencoder(plan, using: &generator)
    func critic(_ width: Int, _ hidden: [Int]) -> MLP {
      MLP(
        widths: [width] + hidden + [1],
        activation: .leakyReLU(slope: 0.2),
        using: &generator
      )
    }
    latentDiscriminator = critic(plan.latentWidth, configuration.discriminatorWidths)
    visualDiscriminator = critic(plan.extents[0], configuration.visualWidths)
    classifier = critic(plan.extents[0], configuration.visualWidths)
    let rate = configuration.learningRate
    optimizer = Adam(networks, learningRate: rate, betas: (0.5, 0.999))
    discriminatorOptimizer = Adam(
      [
        ParameterGroup(latentDiscriminator.parameters()),
        ParameterGroup(visualDiscriminator.parameters()),
      ],
      learningRate: rate,
      betas: (0.5, 0.999)
    )
    classifierOptimizer = Adam(classifier, learningRate: rate, betas: (0.5, 0.999))
    generators = networks.parameters()
    critics =
      latentDiscriminator.parameters() + visualDiscriminator.parameters()
      + classifier.parameters()
  }

  /// What steps change.
  var parts: [TrainingPart] {
    [
      TrainingPart("networks", networks), TrainingPart("optimizer", optimizer),
      TrainingPart("latent-discriminator", latentDiscriminator),
      TrainingPart("visual-discriminator", visualDiscriminator),
      TrainingPart("discriminator-optimizer", discriminatorOptimizer),
      TrainingPart("classifier", classifier),
      TrainingPart("classifier-optimizer", classifierOptimizer),
    ]
  }

  func step(_ x: Tensor<Float>, index: Int) -> [(name: String, value: Double)] {
    let count = x.shape[0]
    var generator = Philox(seed: configuration.seed).fork(OAAETraining.Stream.noise).fork(index)
    let noise = Tensor<Float>.normal(x.shape, deviation: configuration.noise, using: &generator)
    var l2 = Tensor<Float>.uniform(
      [count, configuration.latentWidth],
      from: -1,
      to: 1,
      using: &generator
    )
    let l1 = networks.encoder(Variable(x + noise)).tanh()
    let output = networks.decoder(l1)
    trainCritics(x, l1.value, output.value, l2)
    l2 = mined(l2)
    set(critics, isTrainable: false)
    let squares = meanSquaredError(predictions: output, targets: Variable(x))
    let latentLoss = loss(latentDiscriminator(l1), 1)
    let visualLoss = loss(visualDiscriminator(networks.decoder(Variable(l2))), 1)
    let total = squares * configuration.reconstructionWeight + latentLoss + visualLoss
    total.backward()
    optimizer.step()
    clear(generators)
    set(critics, isTrainable: true)
    return [
      ("reconstruction", Double(squares.item)), ("latent", Double(latentLoss.item)),
      ("visual", Double(visualLoss.item)),
    ]
  }

  private func trainCritics(
    _ x: Tensor<Float>,
    _ l1: Tensor<Float>,
    _ output: Tensor<Float>,
    _ l2: Tensor<Float>
  ) {
    let fake = Variable(networks.decoder(l2))
    (loss(classifier(Variable(output)), 1) + loss(classifier(fake), 0)).backward()
    classifierOptimizer.step()
    clear(critics)
    let latent =
      loss(latentDiscriminator(Variable(l2)), 1) + loss(latentDiscriminator(Variable(l1)), 0)
    let visual = loss(visualDiscriminator(Variable(x)), 1) + loss(visualDiscriminator(fake), 0)
    (latent + visual).backward()
    discriminatorOptimizer.step()
    clear(critics)
  }

  /// Latents moved to where the decoder fails most.
  private func mined(_ latents: Tensor<Float>) -> Tensor<Float> {
    set(critics + generators, isTrainable: false)
    defer { set(critics + generators, isTrainable: true) }
    var latents = latents
    for _ in 0..<configuration.miningSteps {
      let followed = Variable(following: latents)
      loss(classifier(networks.decoder(followed)), 1).backward()
      guard let gradient = followed.gradient else { break }
      latents = (latents + gradient.sign() * configuration.miningRate).clamped(to: -1...1)
    }
    return latents
  }

  private func loss(_ logits: Variable, _ target: Float) -> Variable {
    binaryCrossEntropy(logits: logits, targets: Tensor(repeating: target, shape: logits.shape))
  }

  private func set(_ parameters: [Parameter], isTrainable: Bool) {
    for parameter in parameters { parameter.isTrainable = isTrainable }
  }

  private func clear(_ parameters: [Parameter]) {
    for parameter in parameters { parameter.clearGradient() }
  }
}
