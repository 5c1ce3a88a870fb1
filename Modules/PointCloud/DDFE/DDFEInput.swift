public import Tensor

/// What a front end sees of one or more scans: points, voxels, and the beam density at both.
///
/// Positions and voxel centres are in the frame of the sensor, before any shift of the voxel grid.
///
/// - Shapes: positions [P × 3], points [P × 4], voxels [V × 4], pointDensity [P × 4],
///   voxelDensity [V × 4].
public struct DDFEInput: Sendable {
  /// x, y, z of the points [P × 3] in metres.
  public var positions: Tensor<Float>
  /// The spherical features of the points [P × 4].
  public var points: Tensor<Float>
  /// The spherical features of the voxels' centres [V × 4].
  public var voxels: Tensor<Float>
  /// u of the points [P × 4]: tanh((D − m) / l), or (D − m) / l without clipping.
  public var pointDensity: Tensor<Float>
  /// u of the voxels [V × 4].
  public var voxelDensity: Tensor<Float>
  /// Which points lie in which voxel.
  public var members: VoxelMembers

  /// An input whose spherical features are computed from positions and voxels.
  ///
  /// - Parameters:
  ///   - positions: of the points, in the sensor's frame [P × 3].
  ///   - pointDensity: u of the points [P × 4].
  ///   - voxelDensity: u of the voxels [V × 4].
  ///   - members: which points lie in which voxel.
  ///   - grid: the voxels, as `SphericalFeatures.ofVoxels` takes them.
  public init(
    positions: Tensor<Float>,
    pointDensity: Tensor<Float>,
    voxelDensity: Tensor<Float>,
    members: VoxelMembers,
    grid: VoxelGrid
  ) {
    let voxels = SphericalFeatures.ofVoxels(
      grid.coordinates,
      voxelSize: grid.voxelSize,
      shifts: grid.shifts
    )
    let (count, voxelCount) = (members.pointCount, members.voxelCount)
    expect(
      positions.shape == [count, 3] && voxels.shape[0] == voxelCount,
      "front end: positions \(positions.shape) and voxels \(grid.coordinates.shape), "
        + "but \(count) points in \(voxelCount) voxels"
    )
    expect(
      pointDensity.shape == [count, 4] && voxelDensity.shape == [voxelCount, 4],
      "front end: densities \(pointDensity.shape) and \(voxelDensity.shape) of "
        + "\(count) points and \(voxelCount) voxels"
    )
    self.positions = positions
    self.points = SphericalFeatures.ofPoints(positions)
    self.voxels = voxels
    self.pointDensity = pointDensity
    self.voxelDensity = voxelDensity
    self.members = members
  }

  /// V, the number of voxels.
  public var voxelCount: Int { members.voxelCount }
  /// P, the number of points.
  public var pointCount: Int { members.pointCount }

  /// Where the voxels of an input lie.
  public struct VoxelGrid: Sendable {
    /// (batch, x, y, z) or (x, y, z) of each voxel [V × 4] or [V × 3].
    public var coordinates: Tensor<Int32>
    /// The edge of a voxel in metres.
    public var voxelSize: Float
    /// What was added to each scan's positions before they were put into voxels [B × 3]; or nil.
    public var shifts: Tensor<Float>?

    /// Voxels at these coordinates.
    public init(coordinates: Tensor<Int32>, voxelSize: Float, shifts: Tensor<Float>? = nil) {
      self.coordinates = coordinates
      self.voxelSize = voxelSize
      self.shifts = shifts
    }
  }
}
