import Autograd
import Foundation
public import Tensor

/// OAAE: novelty detection by an adversarial autoencoder whose latent space is orthogonalized.
///
///     let detector = OAAE(.convolution())
///     try detector.fit(NormalData(images: images, labels: digits))
///     let angles = try detector.scores(of: incoming)
///
/// An autoencoder learns normal samples of several classes. A discriminator pulls its latents
/// towards a normal distribution, and an orthogonal low-rank embedding of the labels turns classes
/// into orthogonal subspaces. A sample is novel when its latent changes under reconstruction: the
/// angle between z = E(x) and ẑ = E(D(z)). Labels are for training only. With one class, or without
/// labels, the embedding is 0 and this is an adversarial autoencoder.
///
/// - Shapes: samples of one shape [N × …]; images are [H×W] or [C×H×W].
/// - Source: An et al. 2021, "OAAE: Adversarial Autoencoders for Novelty Detection in Multi-modal
///   Normality Case via Orthogonalized Latent Space", arXiv 2101.02358.
public final class OAAE: NoveltyDetector {
  /// The name in files and reports.
  public static let kind = "oaae"
  /// How the detector is set.
  public private(set) var configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  private var fitted: Fitted?

  /// What a fit leaves behind.
  private struct Fitted {
    let preparation: InputPreparation
    /// As trained: what is saved.
    let networks: Autoencoder
    /// The same, faster.
    let inUse: Autoencoder
    let statistics: ScoreStatistics
    /// The samples of a pass: so many that a layer of all of them stays in the caches, or enough
    /// groups of them for all threads.
    let batchSize: Int

    private static let layerFloats = 1 << 19

    init(
      _ preparation: InputPreparation,
      _ networks: Autoencoder,
      _ statistics: ScoreStatistics
    ) {
      self.preparation = preparation
      self.networks = networks
      self.statistics = statistics
      inUse = Autoencoder(inUse: networks)
      let probe = Tensor<Float>.zeros([1, preparation.layout.width])
      let layers = AutoencoderPass(probe, through: inUse, .all).differences
      let widest = layers.reduce(1) { max($0, $1.count) }
      batchSize = inUse.hasShortcut ? 480 : min(max(Self.layerFloats / widest, 32), 512)
    }
  }

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration) { self.configuration = configuration }

  /// The shape of one sample; nil before the fit.
  public var sampleShape: [Int]? { fitted?.preparation.layout.sampleShape }

  /// Trains the networks, and prepares the configuration's scores.
  ///
  /// - Throws: `NoveltyError`; the detector is then as it was.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    try configuration.check()
    try data.check()
    let layout = try configuration.layout(of: data.inputs.sampleShape)
    let preparation = InputPreparation(
      layout,
      scaling: configuration.scaling,
      training: data.inputs
    )
    let rows = preparation.rows(of: data.inputs)
    if configuration.output == .sigmoid { try rows.checkUnitRange() }
    let labels = try usedLabels(data)
    let validation = data.validation.flatMap { $0.shape[0] > 0 ? preparation.rows(of: $0) : nil }
    let training = OAAETraining(configuration, configuration.plan(layout))
    var run = OAAERun(
      training,
      rows: rows,
      labels: labels,
      validation: validation,
      options: options
    )
    let report = try run.run()
    let statistics = try statistics(rows, data.labels, validation, training.networks)
    fitted = Fitted(preparation, training.networks, statistics)
    calibration = nil
    return report
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try scores(of: inputs, by: [configuration.score])[configuration.score] ?? []
  }

  /// The scores of the configuration, by name.
  ///
  /// - Throws: As `scores(of:)`.
  public func allScores(of inputs: Tensor<Float>) throws(NoveltyError) -> [String: [Float]] {
    let found = try scores(of: inputs, by: configuration.scores)
    return Dictionary(uniqueKeysWithValues: found.map { ($0.key.rawValue, $0.value) })
  }

  /// Several scores of each sample, for the cost of the most expensive one.
  ///
  /// - Throws: `NoveltyError.scoreNotPrepared`, and as `scores(of:)`.
  public func scores(
    of inputs: Tensor<Float>,
    by scores: [NoveltyScore]
  ) throws(NoveltyError) -> [NoveltyScore: [Float]] {
    var found: [NoveltyScore: [Float]] = [:]
    try forEachPass(over: inputs, AutoencoderPass.Parts(for: scores)) {
      (fitted, pass) throws(NoveltyError) in
      for score in Set(scores) {
        let values = try fitted.statistics.values(of: score, pass)
        found[score, default: []] += values.soundScores
      }
    }
    for score in scores where found[score] == nil { found[score] = [] }
    return found
  }

  /// Makes another score the one of `scores(of:)`, also in a detector that was loaded.
  ///
  /// The calibration, which belongs to the old one, is forgotten.
  ///
  /// - Throws: `NoveltyError.scoreNotPrepared` for one that the configuration does not list.
  public func select(_ score: NoveltyScore) throws(NoveltyError) {
    guard configuration.scores.contains(score) else {
      let known = configuration.scores.map(\.rawValue).joined(separator: ", ")
      throw .scoreNotPrepared(score: score, reason: "the fit prepared \(known)")
    }
    configuration.score = score
    calibration = nil
  }

  /// z, the latent of each sample [N × d].
  ///
  /// - Throws: As `scores(of:)`.
  public func embed(_ inputs: Tensor<Float>) throws(NoveltyError) -> Tensor<Float> {
    var parts: [Tensor<Float>] = []
    try forEachPass(over: inputs, AutoencoderPass.Parts(for: [.subspace])) { (_, pass) in
      parts.append(pass.latents)
    }
    return parts.isEmpty ? .zeros([0, configuration.latentWidth]) : .concatenating(parts)
  }

  /// x̂, what the decoder makes of each sample: pooled and scaled as the configuration says.
  ///
  /// - Shapes: result [N × D], [N × H × W] or [N × C × H × W].
  /// - Throws: As `scores(of:)`.
  public func reconstruct(_ inputs: Tensor<Float>) throws(NoveltyError) -> Tensor<Float> {
    var parts: [Tensor<Float>] = []
    try forEachPass(over: inputs, AutoencoderPass.Parts(for: [.reconstruction])) { (_, pass) in
      if let output = pass.output { parts.append(output) }
    }
    let rows = parts.isEmpty ? Tensor<Float>.zeros([0, 0]) : .concatenating(parts)
    return rows.reshaped(to: Shape([rows.shape[0]] + outputShape))
  }
}

// MARK: - Parts of a fit

extension OAAE {
  /// The labels that the embedding uses: nil for one class.
  private func usedLabels(_ data: NormalData) throws(NoveltyError) -> [Int32]? {
    guard let labels = data.labels else { return nil }
    let groups = LabelGroups(labels)
    guard groups.labels.count > 1 else { return nil }
    try groups.check(atLeast: 2, "fit")
    return labels
  }

  /// What the prepared scores need to know, from some of the training samples.
  private func statistics(
    _ rows: Tensor<Float>,
    _ labels: [Int32]?,
    _ validation: Tensor<Float>?,
    _ networks: Autoencoder
  ) throws(NoveltyError) -> ScoreStatistics {
    let sample = statisticsSample(rows.shape[0])
    return try ScoreStatistics(
      for: configuration.scores,
      rows: sample.map { rows.rows($0) } ?? rows,
      labels: labels.map { labels in sample.map { $0.map { labels[Int($0)] } } ?? labels },
      validation: validation,
      networks: Autoencoder(inUse: networks)
    )
  }

  /// The rows that statistics are computed from, ascending; nil for all.
  private func statisticsSample(_ count: Int) -> [Int32]? {
    guard count > configuration.statisticsRows else { return nil }
    var generator = Philox(seed: configuration.seed).fork(OAAETraining.Stream.statistics)
    let order = Tensor.permutation(count, using: &generator).elements
    return order.prefix(configuration.statisticsRows).sorted()
  }

  /// The shape of a reconstruction.
  private var outputShape: [Int] {
    guard let layout = fitted?.preparation.layout else { return [] }
    guard layout.sampleShape.count > 1, layout.sampleShape.count < 4 else {
      return layout.sampleShape.count == 1 ? [layout.width] : layout.sampleShape
    }
    let plane = layout.sampleShape.suffix(2).map { $0 / layout.pooling }
    return layout.sampleShape.dropLast(2) + plane
  }

  /// Passes samples through the networks, so many at a time that they stay in the caches.
  private func forEachPass(
    over inputs: Tensor<Float>,
    _ parts: AutoencoderPass.Parts,
    _ body: (_ fitted: Fitted, _ pass: AutoencoderPass) throws(NoveltyError) -> Void
  ) throws(NoveltyError) {
    try check(inputs)
    guard let fitted else { throw .notFitted(detector: Self.kind) }
    try inputs.forEachBatch(of: fitted.batchSize) { (batch) throws(NoveltyError) in
      let rows = fitted.preparation.rows(of: batch)
      try body(fitted, AutoencoderPass(rows, through: fitted.inUse, parts))
    }
  }
}

// MARK: - Explanations

/// Why a sample has its score.
public struct NoveltyExplanation: Sendable {
  /// The score that the configuration chooses.
  public let score: Float
  /// What the decoder makes of the sample; see `OAAE.reconstruct(_:)`.
  public let reconstruction: Tensor<Float>
  /// The normal class whose subspace is nearest; nil without subspaces.
  public let nearestClass: Int32?
  /// ‖h(x) − h(x̂)‖² of the input and every layer of the encoder: the parts of SAP.
  public let layerContributions: [Float]
}

extension OAAE {
  /// Why samples have their scores: reconstruction, nearest class, and the change in each layer.
  ///
  /// - Throws: As `scores(of:)`.
  public func explain(_ inputs: Tensor<Float>) throws(NoveltyError) -> [NoveltyExplanation] {
    let shape = outputShape
    var explanations: [NoveltyExplanation] = []
    try forEachPass(over: inputs, .all) { (fitted, pass) throws(NoveltyError) in
      let scores = try fitted.statistics.values(of: configuration.score, pass)
      let layers = pass.differences.map { $0.rowSquaredNorms() }
      let subspaces = fitted.statistics.subspaces
      let nearest = subspaces?.scores(of: pass.latents).nearest
      for row in scores.indices {
        explanations.append(
          NoveltyExplanation(
            score: scores[row],
            reconstruction: (pass.output ?? pass.rows)[row].reshaped(to: Shape(shape)),
            nearestClass: nearest.flatMap { subspaces?.labels[$0[row]] },
            layerContributions: layers.map { $0[row] }
          )
        )
      }
    }
    return explanations
  }
}

// MARK: - Files

extension OAAE {
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
    state.add(fitted.statistics.state, under: "statistics")
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try configuration.check()
    let layout = try configuration.layout(of: state.sampleShape())
    let preparation = try InputPreparation(state, layout, scaling: configuration.scaling)
    let networks = try Autoencoder(configuration.plan(layout), state.part("networks"))
    let probe = Tensor<Float>.zeros([1, layout.width])
    let pass = AutoencoderPass(probe, through: networks, .all)
    let statistics = try ScoreStatistics(
      state.part("statistics"),
      widths: pass.differences.map { $0.shape[1] }
    )
    fitted = Fitted(preparation, networks, statistics)
    calibration = nil
  }
}
