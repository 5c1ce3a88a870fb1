import Tensor

/// Adds beams midway between neighbours: a sensor of B beams becomes one of 2B - 1.
///
/// A point is put between two points of neighbouring beams in the same column where their ranges
/// differ little and their labels and instances agree; it takes those, the mean of the ranges and
/// the direction midway. Where two points of a beam fall into a column, the nearer counts.
///
/// - Choice: all of it; the paper adds no beams. Off by default in `ScanAugmentation`.
public struct BeamInterpolation: Codable, Hashable, Sendable {
  /// By how much the ranges may differ, relative to the smaller.
  public var tolerance: Double

  /// Interpolation where ranges differ by less than a share.
  public init(tolerance: Double = 0.02) { self.tolerance = tolerance }

  /// The scan with its new points after the old ones, and the sensor with the new beams.
  ///
  /// The rings of the result are those of the new sensor, whether the scan had rings or not.
  public func callAsFunction(_ scan: SensedScan) -> SensedScan {
    let model = scan.model
    guard model.beamCount > 1, model.columnCount > 0 else { return scan }
    let image = BeamColumns(scan)
    let pairs = (0..<model.beamCount - 1).flatMap { beam in
      image.pairs(of: beam).filter { agree($0, scan.scan, image) }
    }
    return SensedScan(adding(pairs, to: scan.scan, image), of: doubled(model))
  }

  /// The sensor with a beam midway between each two neighbours.
  private func doubled(_ model: BeamModel) -> BeamModel {
    let elevations = model.elevations
    var doubled: [Double] = []
    for (beam, elevation) in elevations.enumerated() {
      if beam > 0 { doubled.append((elevations[beam - 1] + elevation) / 2) }
      doubled.append(elevation)
    }
    var result = model
    result.elevations = doubled
    return result
  }

  private func agree(_ pair: BeamColumns.Pair, _ scan: LidarScan, _ image: BeamColumns) -> Bool {
    let (a, b) = (image.ranges[pair.upper], image.ranges[pair.lower])
    guard abs(a - b) < tolerance * min(a, b) else { return false }
    return [scan.labels, scan.instances].allSatisfy { values in
      values?.withUnsafeElements { $0[pair.upper] == $0[pair.lower] } ?? true
    }
  }

  /// The scan with a point midway in each pair.
  private func adding(
    _ pairs: [BeamColumns.Pair],
    to scan: LidarScan,
    _ image: BeamColumns
  ) -> LidarScan {
    let upper = Tensor(pairs.map { Int32($0.upper) }, shape: [pairs.count])
    let lower = Tensor(pairs.map { Int32($0.lower) }, shape: [pairs.count])
    func extended(_ values: Tensor<Int32>?) -> Tensor<Int32>? {
      values.map { .concatenating([$0, $0.taking(upper, axis: 0)], axis: 0) }
    }
    let places = scan.positions.withUnsafeElements { points in
      pairs.flatMap { midway(points, $0, image) }
    }
    let rings = image.beams.map { 2 * $0 } + pairs.map { 2 * image.beams[$0.upper] + 1 }
    return LidarScan(
      positions: .concatenating(
        [scan.positions, Tensor(places, shape: [pairs.count, 3])],
        axis: 0
      ),
      intensity: scan.intensity.map { values in
        let mean = (values.taking(upper, axis: 0) + values.taking(lower, axis: 0)) * Float(0.5)
        return .concatenating([values, mean], axis: 0)
      },
      rings: Tensor(rings, shape: [rings.count]),
      labels: extended(scan.labels),
      instances: extended(scan.instances)
    )
  }

  /// The point of the mean range in the direction midway between two.
  private func midway(
    _ points: UnsafeBufferPointer<Float>,
    _ pair: BeamColumns.Pair,
    _ image: BeamColumns
  ) -> [Float] {
    let (a, b) = (image.ranges[pair.upper], image.ranges[pair.lower])
    let sum = (0..<3).map { axis in
      Double(points[3 * pair.upper + axis]) / a + Double(points[3 * pair.lower + axis]) / b
    }
    let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return sum.map { Float($0 / norm * (a + b) / 2) }
  }
}
