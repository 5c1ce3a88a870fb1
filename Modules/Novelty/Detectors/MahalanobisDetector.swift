public import Tensor

/// Novelty by the Mahalanobis distance to the nearest class, with one covariance for all classes.
///
///     score(x) = min_c (x − μ_c)ᵀ Σ⁻¹ (x − μ_c),   Σ = covariance within classes + ε · mean variance · I
///
/// Without labels there is one class. ε keeps constant features and few samples sound.
///
/// - Source: Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples
///   and Adversarial Attacks", equation 2.
/// - Complexity: O(D²) a sample; inputs of at most 4,096 numbers.
public final class MahalanobisDetector: NoveltyDetector {
  /// How the covariance is estimated.
  public struct Configuration: Codable, Hashable, Sendable {
    /// ε, what is added to the variance of each direction, as a share of the mean variance.
    public var shrinkage = 1e-3

    /// A thousandth of the mean variance is added.
    public init() {}
  }

  /// The name in files and reports.
  public static let kind = "mahalanobis"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  /// The shape of one sample; nil before the fit.
  public private(set) var sampleShape: [Int]?
  /// V·diag(λ + ε)^(−½) [D × D].
  private var whitening = Tensor<Float>.zeros([0, 0])
  /// The means of the classes [C × D], whitened.
  private var centres = Tensor<Float>.zeros([0, 0])
  private var labels: [Int32] = []

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    guard configuration.shrinkage > 0, configuration.shrinkage.isFinite else {
      throw .configuration("a shrinkage of \(configuration.shrinkage), above 0 is needed")
    }
    try data.check()
    let groups = data.labels.map { LabelGroups($0) } ?? LabelGroups(count: data.inputs.shape[0])
    let eigen = try CovarianceEigen(of: data.inputs.asRows(), groups, Self.kind)
    let width = eigen.variances.count
    let mean = eigen.variances.reduce(0, +) / Double(width)
    // Without any spread every direction counts the same.
    let floor = mean > 0 ? configuration.shrinkage * mean : 1
    let factors = eigen.variances.map { Float(1 / ($0 + floor).squareRoot()) }
    whitening = (eigen.directions * Tensor(factors, shape: [width, 1])).transposed()
    centres = eigen.means.matmul(whitening)
    labels = groups.labels
    sampleShape = data.inputs.sampleShape
    calibration = nil
    return FitReport()
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    var scores: [Float] = []
    inputs.forEachBatch(of: 1024) { scores += nearest($0).map(\.distance) }
    return scores.soundScores
  }

  /// The nearest normal class of each sample.
  ///
  /// - Throws: As `scores(of:)`.
  public func nearestClasses(of inputs: Tensor<Float>) throws(NoveltyError) -> [Int32] {
    try check(inputs)
    var found: [Int32] = []
    inputs.forEachBatch(of: 1024) { found += nearest($0).map { labels[$0.index] } }
    return found
  }

  private func nearest(_ batch: Tensor<Float>) -> [(distance: Float, index: Int)] {
    let rows = batch.asRows().matmul(whitening)
    let width = rows.shape[1]
    return rows.withUnsafeElements { rows in
      centres.withUnsafeElements { centres in
        (0..<batch.shape[0]).map { row in
          var best = (distance: Float.infinity, index: 0)
          for index in labels.indices {
            let start = centres.row(index, width)
            let distance = squaredDistance(rows.row(row, width), start, width)
            if distance < best.distance { best = (distance, index) }
          }
          return best
        }
      }
    }
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    guard let sampleShape else { throw .notFitted(detector: Self.kind) }
    var state = DetectorState()
    state.setSampleShape(sampleShape)
    state.tensors = ["whitening": whitening, "centres": centres]
    state.integers["labels"] = labels
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    let shape = try state.sampleShape()
    let width = shape.reduce(1, *)
    let labels = try state.numbers("labels")
    guard !labels.isEmpty, width <= CovarianceEigen.mostColumns else {
      throw .content(path: state.path, reason: "\(labels.count) classes of width \(width)")
    }
    whitening = try state.tensor("whitening", shape: [width, width])
    centres = try state.tensor("centres", shape: [labels.count, width])
    self.labels = labels
    sampleShape = shape
    calibration = nil
  }
}
