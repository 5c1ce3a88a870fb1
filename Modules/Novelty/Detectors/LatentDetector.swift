public import Tensor

/// Another detector in the latent space of an autoencoder.
///
///     let detector = LatentDetector<NearestNeighbours>(
///       .init(autoencoder: .perceptron(), detector: .init())
///     )
public final class LatentDetector<Detector: NoveltyDetector>: NoveltyDetector {
  /// How both are set.
  public struct Configuration: Codable, Hashable, Sendable {
    /// Of the autoencoder, whose own scores are not used.
    public var autoencoder: OAAE.Configuration
    /// Of the detector that works on latents.
    public var detector: Detector.Configuration

    /// The settings of both.
    public init(autoencoder: OAAE.Configuration, detector: Detector.Configuration) {
      self.autoencoder = autoencoder
      self.detector = detector
    }
  }

  /// The name in files and reports.
  public static var kind: String { "latent-" + Detector.kind }
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  /// The autoencoder.
  public let autoencoder: OAAE
  /// What works on its latents.
  public let detector: Detector

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration) {
    self.configuration = configuration
    var settings = configuration.autoencoder
    (settings.score, settings.scores) = (.angle, [.angle])
    autoencoder = OAAE(settings)
    detector = Detector(configuration.detector)
  }

  /// The shape of one sample; nil before the fit.
  public var sampleShape: [Int]? { autoencoder.sampleShape }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    let report = try autoencoder.fit(data, options: options)
    let latents = NormalData(
      inputs: try autoencoder.embed(data.inputs),
      labels: data.labels,
      validation: try data.validation.map { (samples) throws(NoveltyError) in
        try autoencoder.embed(samples)
      }
    )
    try detector.fit(latents, options: FitOptions())
    calibration = nil
    return report
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    let latents = try autoencoder.embed(inputs)
    // Inputs so large that their latents overflow are as novel as can be.
    let sound = latents.finiteRows
    guard sound.count < latents.shape[0] else { return try detector.scores(of: latents) }
    var scores = [Float](repeating: .greatestFiniteMagnitude, count: latents.shape[0])
    for (row, score) in zip(sound, try detector.scores(of: latents.rows(sound))) {
      scores[Int(row)] = score
    }
    return scores
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    var state = try autoencoder.state()
    state.add(try detector.state(), under: "detector")
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try autoencoder.restore(state)
    try detector.restore(state.part("detector"))
    guard detector.sampleShape == [autoencoder.configuration.latentWidth] else {
      throw .content(path: state.path, reason: "the detector is not one of the latents")
    }
    calibration = nil
  }
}
