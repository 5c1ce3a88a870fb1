/// How a file of points is read.
///
/// The defaults read every format as its makers wrote it, less the points without a position
/// (NaN, infinity). `ScanReading` counts what was dropped and keeps the row of each point.
public struct ScanReadingOptions: Hashable, Sendable {
  /// Which end of the sensor the ring numbers of a file count from.
  public enum RingOrder: String, Codable, Hashable, Sendable, CaseIterable {
    /// 0 is the topmost beam, as here.
    case topFirst
    /// 0 is the lowest beam: nuScenes, Velodyne's drivers.
    case bottomFirst
    /// What the points say: bottom first if their elevation rises with the number.
    case measured
  }

  /// The format; nil asks the file's bytes and name.
  ///
  /// Files of nuScenes are known by `.pcd.bin` alone.
  public var format: PointFileFormat?
  /// The numbers of a point in a KITTI file; nil takes 4, or 5 where the fifth is plainly a ring.
  ///
  /// Where 4 gives negative intensities and another number does not, nil is refused.
  /// The first three are x, y, z, the fourth the intensity. Of five the last is the ring (Ouster);
  /// of six (conversions of Waymo: elongation, time) the rest is skipped.
  public var floatsPerPoint: Int?
  /// How rings are numbered in KITTI, PCD and PLY files; nuScenes files are always bottom first.
  public var ringOrder: RingOrder
  /// The file with one label for each point: `.label`, `_lidarseg.bin` or `_panoptic.npz`.
  ///
  /// Its labels take the place of those in the file of points.
  public var labelPath: String?
  /// Whether points at exactly (0, 0, 0) are left out: missing returns of RELLIS-3D and many PCDs.
  public var dropsZeros: Bool
  /// Whether points with |x| < 1 m and |y| < 1 m are left out: nuScenes's own car.
  public var removesEgo: Bool
  /// Whether points stay whose position is NaN or infinite.
  public var keepsNonFinite: Bool
  /// What is taken off the coordinates of LAS files, and of others in double precision, before
  /// they are rounded to single precision: x, y, z in metres.
  public var origin: SIMD3<Double>

  /// Options; without arguments those for a file of any known format.
  public init(
    format: PointFileFormat? = nil,
    floatsPerPoint: Int? = nil,
    labelPath: String? = nil,
    dropsZeros: Bool = false,
    removesEgo: Bool = false
  ) {
    self.format = format
    self.floatsPerPoint = floatsPerPoint
    self.labelPath = labelPath
    self.dropsZeros = dropsZeros
    self.removesEgo = removesEgo
    ringOrder = .measured
    keepsNonFinite = false
    origin = .zero
  }
}
