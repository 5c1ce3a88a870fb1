public import Tensor

/// Novelty by what the principal components of normals cannot give back.
///
///     score(x) = ‖(x − μ) − V Vᵀ (x − μ)‖²
///
/// V holds the leading eigenvectors of the covariance: a given number, or as many as explain a share
/// of the variance.
///
/// - Source: Jackson and Mudholkar 1979, "Control Procedures for Residuals Associated With Principal
///   Component Analysis".
/// - Complexity: O(D · k) a sample; inputs of at most 4,096 numbers.
public final class PrincipalComponents: NoveltyDetector {
  /// How many components there are.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The number of components; nil for as many as explain the share.
    public var componentCount: Int?
    /// The share of the variance that components explain.
    public var explainedShare = 0.9

    /// Components that explain 90 % of the variance.
    public init() {}
  }

  /// The name in files and reports.
  public static let kind = "principal-components"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  /// The shape of one sample; nil before the fit.
  public private(set) var sampleShape: [Int]?
  private var mean = Tensor<Float>.zeros([0])
  /// Vᵀ [k × D].
  private var components = Tensor<Float>.zeros([0, 0])

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    guard (0...1).contains(configuration.explainedShare), configuration.componentCount ?? 1 > 0
    else {
      throw .configuration("components for a share of \(configuration.explainedShare)")
    }
    try data.check()
    let groups = LabelGroups(count: data.inputs.shape[0])
    let eigen = try CovarianceEigen(of: data.inputs.asRows(), groups, Self.kind)
    let count = configuration.componentCount ?? explainingCount(eigen.variances)
    components = eigen.directions[0..<min(count, eigen.variances.count)]
    mean = eigen.means[0]
    sampleShape = data.inputs.sampleShape
    calibration = nil
    return FitReport()
  }

  private func explainingCount(_ variances: [Double]) -> Int {
    let total = variances.reduce(0, +)
    guard total > 0 else { return 1 }
    var sum = 0.0
    let index = variances.firstIndex { variance in
      sum += variance
      return sum >= configuration.explainedShare * total
    }
    return (index ?? variances.count - 1) + 1
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    var scores: [Float] = []
    inputs.forEachBatch(of: 1024) { batch in
      let centred = batch.asRows() - mean
      let output = centred.matmul(components, transposingOther: true).matmul(components)
      scores += centred.rowSquaredDistances(to: output)
    }
    return scores.soundScores
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    guard let sampleShape else { throw .notFitted(detector: Self.kind) }
    var state = DetectorState()
    state.setSampleShape(sampleShape)
    state.tensors = ["mean": mean, "components": components]
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    let shape = try state.sampleShape()
    let width = shape.reduce(1, *)
    let stored = try state.tensor("components", rank: 2)
    guard stored.shape[0] > 0, stored.shape[1] == width else {
      throw .content(path: state.path, reason: "components \(stored.shape) of width \(width)")
    }
    mean = try state.tensor("mean", shape: [width])
    components = stored
    sampleShape = shape
    calibration = nil
  }
}
