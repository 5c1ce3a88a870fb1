public import Tensor

/// Something that learns what is normal and scores how novel a sample is.
///
///     let detector = OAAE(.perceptron())
///     try detector.fit(NormalData(inputs: images, labels: digits))
///     try detector.calibrate(on: heldBack, rule: .falsePositiveRate(0.05))
///     for verdict in try detector.verdicts(on: incoming) where verdict.isNovel { … }
///     try detector.save(to: "digits.safetensors")
///
/// Scores are raw numbers, higher is more novel; a calibration by normals that were held back makes
/// verdicts and p-values of them. Detectors belong to one task at a time.
public protocol NoveltyDetector: AnyObject {
  /// What the detector can be set to.
  associatedtype Configuration: Codable & Hashable & Sendable

  /// The name in files and reports.
  static var kind: String { get }

  /// A detector that knows nothing yet.
  init(_ configuration: Configuration)

  /// How the detector is set; the source of every default.
  var configuration: Configuration { get }

  /// The shape of one sample; nil before the fit.
  var sampleShape: [Int]? { get }

  /// What turns scores into verdicts; nil until `calibrate`.
  var calibration: NoveltyCalibration? { get set }

  /// Learns from normal data; forgets what was learned before, and the calibration.
  ///
  /// - Throws: `NoveltyError`; the detector is then as it was.
  @discardableResult
  func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport

  /// The score of each sample; higher is more novel.
  ///
  /// Inputs so large that numbers overflow get the largest finite score.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float]

  /// Every score that the detector can give, by name.
  ///
  /// - Throws: As `scores(of:)`.
  func allScores(of inputs: Tensor<Float>) throws(NoveltyError) -> [String: [Float]]

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  func state() throws(NoveltyError) -> DetectorState

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  func restore(_ state: DetectorState) throws(NoveltyError)
}

extension NoveltyDetector {
  /// Learns from normal data.
  ///
  /// - Throws: `NoveltyError`.
  @discardableResult
  public func fit(_ data: NormalData) throws(NoveltyError) -> FitReport {
    try fit(data, options: FitOptions())
  }

  /// The only score, under the name `score`.
  ///
  /// - Throws: As `scores(of:)`.
  public func allScores(of inputs: Tensor<Float>) throws(NoveltyError) -> [String: [Float]] {
    ["score": try scores(of: inputs)]
  }

  /// The score of one sample without a leading axis.
  ///
  /// - Throws: As `scores(of:)`.
  public func score(of sample: Tensor<Float>) throws(NoveltyError) -> Float {
    try scores(of: sample.expandingDimensions(at: 0))[0]
  }

  /// Sets the threshold by normals that were held back.
  ///
  /// - Parameters:
  ///   - normals: samples [N × …] that the fit did not see.
  ///   - rule: how the threshold follows from their scores.
  /// - Returns: the calibration, which the detector keeps and saves.
  /// - Throws: As `scores(of:)`, and as the calibration.
  @discardableResult
  public func calibrate(
    on normals: Tensor<Float>,
    rule: ThresholdRule = .standard
  ) throws(NoveltyError) -> NoveltyCalibration {
    let found = try NoveltyCalibration(normalScores: scores(of: normals), rule: rule)
    calibration = found
    return found
  }

  /// Score, p-value and decision for each sample.
  ///
  /// - Throws: `NoveltyError.notCalibrated`, and as `scores(of:)`.
  public func verdicts(on inputs: Tensor<Float>) throws(NoveltyError) -> [NoveltyVerdict] {
    guard let calibration else { throw .notCalibrated(detector: Self.kind) }
    let threshold = try calibration.threshold()
    return try scores(of: inputs).map {
      NoveltyVerdict(score: $0, pValue: calibration.pValue(of: $0), isNovel: $0 > threshold)
    }
  }

  /// Throws unless samples fit the ones that were learned from.
  func check(_ inputs: Tensor<Float>) throws(NoveltyError) {
    guard let sampleShape else { throw .notFitted(detector: Self.kind) }
    try inputs.check(sampleShape: sampleShape, "score")
  }
}

/// What goes along with a fit.
public struct FitOptions {
  /// The folder of checkpoints, from which an interrupted fit goes on; nil for none.
  public var checkpointPath: String?
  /// Gets the state of affairs after each epoch.
  public var progress: ((FitProgress) -> Void)?
  /// Asked after each epoch whether to stop; a cancelled task also stops.
  public var shouldStop: () -> Bool

  /// The usual options: no checkpoints, no reports, to the end.
  public init(
    checkpointPath: String? = nil,
    progress: ((FitProgress) -> Void)? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.checkpointPath = checkpointPath
    self.progress = progress
    self.shouldStop = shouldStop
  }
}

/// How far a fit has come.
public struct FitProgress: Sendable {
  /// The epochs done.
  public let epoch: Int
  /// The epochs of the whole fit.
  public let epochs: Int
  /// What was measured in the last one.
  public let record: EpochRecord
}

/// What one epoch measured.
public struct EpochRecord: Codable, Hashable, Sendable {
  /// Which epoch, from 1.
  public var epoch: Int
  /// The mean of each loss over the steps, by name.
  public var losses: [String: Double]
  /// The reconstruction loss of the validation samples, if there are any.
  public var validation: Double?
  /// The geometry of the latent space, if there is one with classes.
  public var geometry: LatentGeometry?
  /// The seconds that the epoch took.
  public var seconds: Double
}

/// What a fit did.
public struct FitReport: Codable, Hashable, Sendable {
  /// Why a fit ended.
  public enum Ending: String, Codable, Hashable, Sendable {
    /// All epochs were done.
    case finished
    /// Validation did not get better any more; the best epoch's weights were taken.
    case stoppedEarly
    /// It was told to stop.
    case interrupted
  }

  /// Why the fit ended.
  public var ending = Ending.finished
  /// The epochs, earlier sessions' included; empty for methods without any.
  public var epochs: [EpochRecord] = []
  /// Seconds of this session.
  public var seconds = 0.0
}
