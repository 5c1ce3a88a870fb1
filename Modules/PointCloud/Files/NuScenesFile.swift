import Checkpoints
import Tensor

/// The beams of the sensor of nuScenes, a Velodyne HDL-32E.
let nuScenesBeamCount = 32

extension LidarScan {
  /// The scan in a `.pcd.bin` of nuScenes, turned into the frame x forward, y left, z up.
  ///
  /// - Parameters:
  ///   - path: the file in `samples/LIDAR_TOP` or `sweeps/LIDAR_TOP`.
  ///   - labelPath: its `_lidarseg.bin` or `_panoptic.npz`.
  ///   - removesEgo: whether returns from the car itself are left out, as nuScenes's own kit does.
  /// - Throws: `PointFileError` when the file cannot be read or is no whole number of points.
  public init(
    nuScenes path: String,
    labels labelPath: String? = nil,
    removesEgo: Bool = false
  ) throws(PointFileError) {
    let options = ScanReadingOptions(
      format: .nuScenes,
      labelPath: labelPath,
      removesEgo: removesEgo
    )
    self = try ScanReading(contentsOf: path, options: options).scan
  }
}

/// All points of a nuScenes file; rings as in the file, 0 the lowest.
///
/// 20 bytes a point: x y z intensity (0…255) ring as single-precision numbers, x to the right and y
/// forward. So x′ = y and y′ = -x.
func nuScenesScan(_ file: MappedFile) throws(PointFileError) -> LidarScan {
  guard file.bytes.count % 20 == 0 else {
    throw .malformed(
      path: file.path,
      place: nil,
      reason: "\(file.bytes.count) bytes are no whole number of nuScenes points of 20 bytes"
    )
  }
  let numbers = FloatRows(file.bytes, width: 5)
  try checkPointCount(numbers.count, file.path)
  for row in 0..<numbers.count {
    let ring = numbers.value(row, 4)
    if ring >= 0, ring < Float(nuScenesBeamCount) { continue }
    throw .malformed(
      path: file.path,
      place: .point(row),
      reason: "ring \(ring) is none of nuScenes's \(nuScenesBeamCount); "
        + "read other sensors as KITTI with floatsPerPoint"
    )
  }
  return LidarScan(
    positions: Tensor(uninitialized: [numbers.count, 3]) { target in
      for row in 0..<numbers.count {
        target[3 * row] = numbers.value(row, 1)
        target[3 * row + 1] = -numbers.value(row, 0)
        target[3 * row + 2] = numbers.value(row, 2)
      }
    },
    intensity: numbers.column(3),
    rings: numbers.wholeColumn(4)
  )
}
