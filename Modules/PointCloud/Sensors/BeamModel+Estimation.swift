import Tensor

/// How the beams of an unknown sensor are found in one of its scans.
public enum BeamEstimation: String, Codable, Hashable, Sendable, CaseIterable {
  /// By the scan's rings, 0 the topmost.
  case rings
  /// By the order of the points, ring by ring as in KITTI's files: a ring ends where the azimuth
  /// has gone round.
  case azimuthJumps
  /// By the peaks of the points' elevations. Beams that lie closely are missed or split.
  case elevationHistogram
}

extension BeamModel {
  /// The sensor that made a scan, as far as the scan shows it.
  ///
  /// Without `method` the first way that fits is taken, in the order of `BeamEstimation`. Heights
  /// and ranges do not show: the height is that of a car's roof until you set it, the range is that
  /// of the farthest point.
  ///
  /// - Throws: `BeamModelError.notEstimable` with the reason.
  public init(
    estimatedFrom scan: LidarScan,
    name: String,
    by method: BeamEstimation? = nil
  ) throws(BeamModelError) {
    let directions = ScanDirections(scan)
    guard !directions.indices.isEmpty else {
      throw .notEstimable(reason: "no point is farther than \(ScanDirections.leastRange) m")
    }
    let method = method ?? directions.method(of: scan)
    let rings: [Int32]
    switch method {
    case .rings:
      guard let known = scan.rings else {
        throw .notEstimable(reason: "the scan has no rings; estimate by another way")
      }
      rings = known.withUnsafeElements { known in directions.indices.map { known[$0] } }
    case .azimuthJumps: rings = directions.ringsByAzimuth()
    case .elevationHistogram: rings = try directions.ringsByHistogram()
    }
    let beams = try RingBeams(directions, rings)
    self.init(
      name: name,
      elevations: try beams.elevations(),
      columnCount: try beams.columnCount(),
      mountHeight: 1.8,
      maximumRange: min(directions.farthest.rounded(.up), 100_000)
    )
    try validate()
  }

  /// The way that `init(estimatedFrom:name:by:)` takes for a scan if it is given none.
  public static func estimation(of scan: LidarScan) -> BeamEstimation {
    ScanDirections(scan).method(of: scan)
  }
}
