import Checkpoints
public import Tensor

/// A scan out of a file, and how its points lie in that file.
///
/// Points may have been dropped (no position, missing returns, the car itself); `rows` tells which
/// stayed, so that what a model says of them can be written for all points of the file:
///
///     let reading = try ScanReading(contentsOf: "scan.bin", options: options)
///     let labels = model(reading.scan)
///     try LabelFile(reading.spread(labels)).write(to: "scan.label")
public struct ScanReading: Sendable {
  /// The points that stayed.
  public let scan: LidarScan
  /// The format that the file has.
  public let format: PointFileFormat
  /// The row in the file of each point of the scan, rising.
  public let rows: [Int32]
  /// The number of points in the file.
  public let rowCount: Int
  /// The points dropped because a coordinate is NaN or infinite.
  public let nonFiniteCount: Int
  /// The points dropped because they lie at exactly (0, 0, 0).
  public let zeroCount: Int
  /// The points dropped because they lie on the car itself.
  public let egoCount: Int
  /// Whether rings count from the lowest beam in the file, and were turned over.
  public let ringsWereTurned: Bool

  /// Reads a file of points.
  ///
  /// - Throws: `PointFileError` when the file cannot be read, is of no known format or damaged, or
  ///   the labels are not those of this scan.
  public init(
    contentsOf path: String,
    options: ScanReadingOptions = ScanReadingOptions()
  ) throws(PointFileError) {
    let file = try MappedFile(pointsAt: path)
    let format: PointFileFormat
    if let given = options.format { format = given } else { format = try .detected(file) }
    var raw =
      switch format {
      case .kitti: try kittiScan(file, options)
      case .nuScenes: try nuScenesScan(file)
      case .pcd: try pcdScan(file, options)
      case .ply: try plyScan(file, options)
      case .las: try lasScan(file, options)
      }
    if let labelPath = options.labelPath {
      let labels = try LabelFile(contentsOf: labelPath)
      guard labels.count == raw.count else {
        throw .labelCount(
          path: labelPath,
          labelCount: labels.count,
          scanPath: path,
          pointCount: raw.count
        )
      }
      (raw.labels, raw.instances) = (labels.labels, labels.instances)
    }
    try self.init(raw, format: format, path: path, options: options)
  }

  /// Drops the points that the options do not want, and numbers the rings from the top.
  private init(
    _ raw: LidarScan,
    format: PointFileFormat,
    path: String,
    options: ScanReadingOptions
  ) throws(PointFileError) {
    let kept = KeptRows(raw.positions, options)
    var scan = kept.rows.count == raw.count ? raw : raw.selecting(kept.rows)
    try checkWhole(scan, kept.rows, path)
    ringsWereTurned = scan.turnRings(format == .nuScenes ? .bottomFirst : options.ringOrder, format)
    self.scan = scan
    self.format = format
    rows = kept.rows
    rowCount = raw.count
    (nonFiniteCount, zeroCount, egoCount) = (kept.nonFinite, kept.zero, kept.ego)
  }

  /// Values of the scan's points laid out for the points of the file; `missing` for dropped ones.
  ///
  /// - Shapes: values [P], result [rowCount].
  public func spread(_ values: Tensor<Int32>, missing: Int32 = 0) -> Tensor<Int32> {
    expect(
      values.shape == [rows.count],
      "spread: \(values.shape) values for \(rows.count) points"
    )
    var result = [Int32](repeating: missing, count: rowCount)
    values.withUnsafeElements { values in
      for (place, row) in rows.enumerated() { result[Int(row)] = values[place] }
    }
    return Tensor(result, shape: [rowCount])
  }
}

extension LidarScan {
  /// The scan in a file of any known format.
  ///
  /// `ScanReading` reads the same and also tells which points of the file were dropped.
  ///
  /// - Throws: `PointFileError` when the file cannot be read, is of no known format or damaged, or
  ///   the labels are not those of this scan.
  public init(
    contentsOf path: String,
    options: ScanReadingOptions = ScanReadingOptions()
  ) throws(PointFileError) {
    self = try ScanReading(contentsOf: path, options: options).scan
  }
}

/// What stands for a ring, label or instance that is no whole number, until it is known whether its
/// point stays.
let notWhole = Int32.min

/// A number of a file as ring, label or instance.
@inline(__always)
func whole(_ value: Double) -> Int32 { Int32(exactly: value) ?? notWhole }

/// Refuses rings, labels and instances that are not what they should be.
private func checkWhole(
  _ scan: LidarScan,
  _ rows: [Int32],
  _ path: String
) throws(PointFileError) {
  let values = [("label", scan.labels), ("instance", scan.instances), ("ring", scan.rings)]
  for (name, numbers) in values {
    guard let place = numbers?.elements.firstIndex(of: notWhole) else { continue }
    let row = Int(rows[place])
    throw .malformed(path: path, place: .point(row), reason: "the \(name) is no whole number")
  }
  guard let rings = scan.rings?.elements,
    let place = rings.firstIndex(where: { $0 < 0 || $0 > 0xFFFF })
  else { return }
  let reason = "ring \(rings[place]), expected 0 to 65535"
  throw .malformed(path: path, place: .point(Int(rows[place])), reason: reason)
}

/// The points that stay, and how many went for which reason.
private struct KeptRows {
  var rows: [Int32] = []
  var nonFinite = 0
  var zero = 0
  var ego = 0

  init(_ positions: Tensor<Float>, _ options: ScanReadingOptions) {
    let count = positions.shape[0]
    rows.reserveCapacity(count)
    positions.withUnsafeElements { p in
      for row in 0..<count {
        let (x, y, z) = (p[3 * row], p[3 * row + 1], p[3 * row + 2])
        if !options.keepsNonFinite, !(x.isFinite && y.isFinite && z.isFinite) {
          nonFinite += 1
        } else if options.dropsZeros, x == 0, y == 0, z == 0 {
          zero += 1
        } else if options.removesEgo, x.magnitude < 1, y.magnitude < 1 {
          ego += 1
        } else {
          rows.append(Int32(truncatingIfNeeded: row))
        }
      }
    }
  }
}

extension LidarScan {
  /// Numbers the rings from the top if they count from the lowest; returns whether they did.
  fileprivate mutating func turnRings(
    _ order: ScanReadingOptions.RingOrder,
    _ format: PointFileFormat
  ) -> Bool {
    guard let old = rings, old.count > 0 else { return false }
    switch order {
    case .topFirst: return false
    case .bottomFirst: break
    case .measured: if !elevationRisesWithRing(old) { return false }
    }
    let values = old.elements
    let top = format == .nuScenes ? Int32(nuScenesBeamCount - 1) : values.max() ?? 0
    rings = Tensor(values.map { top &- $0 }, shape: old.shape)
    return true
  }

  /// Whether the correlation of ring and sin(elevation) is above ½.
  ///
  /// Beams of a spinning sensor lie at fixed elevations, so it is near 1 or -1, unless rings are
  /// numbered in the order of firing; then their numbers stay.
  private func elevationRisesWithRing(_ rings: Tensor<Int32>) -> Bool {
    let (p, r) = (positions.elements, rings.elements)
    var (n, sumA, sumB, sumAA, sumBB, sumAB) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for index in r.indices {
      let (x, y, z) = (Double(p[3 * index]), Double(p[3 * index + 1]), Double(p[3 * index + 2]))
      let a = z / (x * x + y * y + z * z).squareRoot()
      guard a.isFinite else { continue }
      let b = Double(r[index])
      (n, sumA, sumB) = (n + 1, sumA + a, sumB + b)
      (sumAA, sumBB, sumAB) = (sumAA + a * a, sumBB + b * b, sumAB + a * b)
    }
    let covariance = n * sumAB - sumA * sumB
    let variances: Double = (n * sumAA - sumA * sumA) * (n * sumBB - sumB * sumB)
    return covariance > 0 && covariance * covariance > 0.25 * variances
  }
}
