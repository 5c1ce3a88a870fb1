public import Autograd
import Tensor

/// Scans of one sensor with the classes of their points: what is trained and measured on.
///
/// Scans are made or read when they are asked for, so a set may be larger than memory.
public struct ScanSet {
  /// The name for reports.
  public let name: String
  /// The sensor of all scans.
  public let sensor: BeamModel
  /// The number of scans.
  public let count: Int
  /// A scan; its labels are classes, 0 for the background.
  public let scan: (_ index: Int) throws -> LidarScan

  /// A set of `count` scans, each of which `scan` gives.
  ///
  /// - Parameters:
  ///   - name: the name for reports; that of the sensor by default.
  ///   - sensor: the sensor of all scans.
  ///   - count: how many there are.
  ///   - scan: gives scan `index` with classes as labels, always the same.
  public init(
    name: String? = nil,
    of sensor: BeamModel,
    count: Int,
    scan: @escaping (_ index: Int) throws -> LidarScan
  ) {
    self.name = name ?? sensor.name
    self.sensor = sensor
    self.count = count
    self.scan = scan
  }

  /// Scans that lie in memory.
  public init(name: String? = nil, of sensor: BeamModel, _ scans: [LidarScan]) {
    self.init(name: name, of: sensor, count: scans.count) { scans[$0] }
  }
}

extension ScanSet: Dataset {
  /// The numbers of scans: a training step asks for them one by one.
  public subscript(indices: [Int]) -> [Int] { indices }
}

extension PointSegmenter {
  /// How the points of a set are classified, beside what they are.
  ///
  /// - Parameters:
  ///   - set: scans of a sensor, with classes.
  ///   - progress: gets the number of scans done, and the counts so far; false stops.
  /// - Returns: the counts of all points inside the volume that the model looks at.
  /// - Throws: `VoxelError`, or what reading a scan throws.
  public func confusion(
    on set: ScanSet,
    progress: (_ done: Int, _ counts: SegmentationConfusion) -> Bool = { _, _ in true }
  ) throws -> SegmentationConfusion {
    var confusion = SegmentationConfusion(classCount: configuration.classCount)
    let density = BeamDensity(set.sensor)
    for index in 0..<set.count {
      let scan = try set.scan(index)
      guard let labels = scan.labels else { continue }
      let found = try classify(scan, density: density)
      let points = Tensor(found.points, shape: [found.points.count])
      confusion.add(labels: labels.taking(points, axis: 0), predictions: found.classes)
      if !progress(index + 1, confusion) { break }
    }
    return confusion
  }
}
