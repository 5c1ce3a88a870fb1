import Tensor

/// How dense a scan is, and how that compares with the densities that a model was trained on.
public struct DensityReport: Codable, Hashable, Sendable {
  /// Points nearer than this are not counted: returns from the vehicle itself.
  public static let leastRange: Float = 2.5

  /// The sensor that the densities are computed for.
  public var sensor: String
  /// The points of the scan.
  public var pointCount: Int
  /// The points that are farther than 2.5 m, of which the figures are.
  public var countedPoints: Int
  /// The figures of the four channels, from the finest scale to the coarsest.
  public var channels: [Channel]
  /// Where the densities lie; nil without a model to compare with.
  public var conclusion: Conclusion?

  /// The figures of a channel.
  public struct Channel: Codable, Hashable, Sendable {
    /// The density below which a tenth of the points lie.
    public var p10: Float
    /// The median.
    public var p50: Float
    /// The density above which a tenth of the points lie.
    public var p90: Float
    /// The density 20 m ahead, 3 degrees below the horizon: for comparing sensors without a scene.
    public var reference: Float
    /// Where the points lie relative to the trained densities; nil without a model.
    public var shares: Shares?
  }

  /// The shares of the points below, inside and above the range from p10 to p90 of training.
  ///
  /// Of the training scans themselves 10, 80 and 10 percent do.
  public struct Shares: Codable, Hashable, Sendable {
    /// The share of points that are sparser than the range.
    public var below: Double
    /// The share of points in the range.
    public var inside: Double
    /// The share of points that are denser than the range.
    public var above: Double
  }

  /// What a scan is to a model, by its densities.
  public enum Conclusion: String, Codable, Hashable, Sendable {
    /// The densities are much like those of training.
    case inside
    /// Many points are sparser than most that training has seen.
    case sparser
    /// Many points are denser than most that training has seen.
    case denser
    /// The scan has no point to tell by.
    case unknown
  }

  /// The share of points below or above the range from which on a scan counts as outside.
  ///
  /// Choice: two and a half times what training scans have themselves.
  public static let outsideShare = 0.25

  /// The figures of a scan, compared with `range` if there is one.
  public init(_ scan: LidarScan, density: BeamDensity, range: DensityRange? = nil) {
    let values = density(scan.positions)  // [P × 4]
    let points = scan.positions.withUnsafeElements { farPoints($0, beyond: Self.leastRange) }
    let sorted = values.withUnsafeElements { sortedChannels(of: $0, points: points) }
    let references = density.density(atRange: 20, elevation: -3)
    sensor = density.model.name
    pointCount = scan.count
    countedPoints = points.count
    channels = sorted.indices.map { channel in
      Channel(
        p10: Float(sorted[channel].percentile(10)),
        p50: Float(sorted[channel].percentile(50)),
        p90: Float(sorted[channel].percentile(90)),
        reference: references[channel],
        shares: range.map { Shares(sorted[channel].values, $0.bounds(channel: channel)) }
      )
    }
    conclusion = range == nil ? nil : Conclusion(channels.compactMap(\.shares), points.count)
  }
}

extension DensityReport.Shares {
  fileprivate init(_ values: [Double], _ bounds: ClosedRange<Float>) {
    let count = Double(max(values.count, 1))
    below = Double(values.prefix { $0 < Double(bounds.lowerBound) }.count) / count
    above = Double(values.reversed().prefix { $0 > Double(bounds.upperBound) }.count) / count
    inside = values.isEmpty ? 0 : 1 - below - above
  }
}

extension DensityReport.Conclusion {
  /// The conclusion by the mean shares of the channels.
  fileprivate init(_ shares: [DensityReport.Shares], _ points: Int) {
    guard points > 0 else {
      self = .unknown
      return
    }
    let below = shares.map(\.below).reduce(0, +) / Double(shares.count)
    let above = shares.map(\.above).reduce(0, +) / Double(shares.count)
    guard max(below, above) > DensityReport.outsideShare else {
      self = .inside
      return
    }
    self = below >= above ? .sparser : .denser
  }
}

extension DensityReport.Conclusion: CustomStringConvertible {
  /// The conclusion in a sentence.
  public var description: String {
    switch self {
    case .inside: "the densities are like those of the training scans"
    case .sparser: "many points are sparser than those of the training scans"
    case .denser: "many points are denser than those of the training scans"
    case .unknown: "no point beyond \(DensityReport.leastRange) m to tell by"
    }
  }
}

/// The indices of the points [P × 3] beyond a range.
private func farPoints(_ points: UnsafeBufferPointer<Float>, beyond range: Float) -> [Int] {
  (0..<points.count / 3).filter { index in
    let (x, y, z) = (points[3 * index], points[3 * index + 1], points[3 * index + 2])
    let norm = (x * x + y * y + z * z).squareRoot()
    return norm > range && norm.isFinite
  }
}
