public import Tensor

/// What a segmentation network reads: voxels, and the points in them, of one or more scans.
public struct SegmentationInput {
  /// The voxels.
  public let voxels: Voxelization
  /// What the front end reads; it may see a part of the points.
  public let frontEnd: DDFEInput
  /// The points that the front end sees, as rows of the scans joined; nil for all.
  public let seenPoints: Tensor<Int32>?
  /// How those points get what voxels hold; nil where they take it from their own voxel.
  public let interpolation: VoxelInterpolation?

  /// A scan as the network gets it: points with their densities, where the grid lies.
  public struct Cloud {
    /// The points, in the frame of the sensor, and their densities.
    public var points: DensityCloud
    /// What is added to z before a point's cell is taken, in metres.
    public var heightShift: Float

    /// Points whose grid is shifted along z.
    public init(_ points: DensityCloud, heightShift: Float) {
      self.points = points
      self.heightShift = heightShift
    }
  }

  /// Puts scans into voxels.
  ///
  /// - Parameters:
  ///   - clouds: the scans of the batch.
  ///   - configuration: the grid, and what the gates read.
  ///   - range: the densities of training; nil only if the gates read none.
  ///   - pointLimit: the most points of a scan that the front end sees, besides the first of each
  ///     voxel, which it always does; nil for all.
  ///   - generator: chooses the points.
  /// - Throws: `VoxelError` if a point is not finite or lies too far away for the grid.
  public init(
    _ clouds: [Cloud],
    _ configuration: SegmenterConfiguration,
    range: DensityRange?,
    pointLimit: Int? = nil,
    using generator: inout Philox
  ) throws(VoxelError) {
    let positions = Tensor.concatenating(clouds.map(\.points.positions), axis: 0)
    let density = Tensor.concatenating(clouds.map(\.points.density), axis: 0)
    let batch = clouds.enumerated().flatMap { index, cloud in
      [Int32](repeating: Int32(index), count: cloud.points.count)
    }
    let shifted = Tensor.concatenating(clouds.map(\.gridPositions), axis: 0)
    let voxels = try Voxelization(
      shifted,
      batch: Tensor(batch, shape: [batch.count]),
      voxelSize: configuration.voxelSize
    )
    let voxelDensity = density.segmentMean(voxels.pointToVoxel, count: voxels.count)
    func gateInput(_ density: Tensor<Float>) -> Tensor<Float> {
      configuration.density.gateInput(density, range)
    }
    let limit = pointLimit.map { $0 * clouds.count }
    let seen = limit.flatMap { voxels.sample(limit: $0, using: &generator) }
    func part<Element: TensorElement>(_ tensor: Tensor<Element>) -> Tensor<Element> {
      seen.map { tensor.taking($0, axis: 0) } ?? tensor
    }
    let shifts: [Float] = clouds.flatMap { [0, 0, $0.heightShift] }
    frontEnd = DDFEInput(
      positions: part(positions),
      pointDensity: gateInput(part(density)),
      voxelDensity: gateInput(voxelDensity),
      members: VoxelMembers(pointToVoxel: part(voxels.pointToVoxel), voxelCount: voxels.count),
      grid: DDFEInput.VoxelGrid(
        coordinates: voxels.coordinates,
        voxelSize: configuration.voxelSize,
        shifts: Tensor(shifts, shape: [clouds.count, 3])
      )
    )
    self.voxels = voxels
    seenPoints = seen
    interpolation =
      configuration.devoxelization == .trilinear
      ? voxels.interpolation(at: shifted, points: seen) : nil
  }

  /// The scores of the points that the front end sees [points × C], from those of the voxels.
  public func pointScores(ofVoxels scores: Tensor<Float>) -> Tensor<Float> {
    interpolation.map { $0(scores) } ?? scores.taking(frontEnd.members.pointToVoxel, axis: 0)
  }

  /// The targets of the points that the front end sees and of the voxels, from classes of all points.
  ///
  /// - Shapes: classes [P] of the scans joined; results [seen points] and [V], −1 for background.
  public func targets(
    of classes: Tensor<Int32>
  ) -> (points: Tensor<Int32>, voxels: Tensor<Int32>) {
    let all =
      seenPoints == nil
      ? frontEnd.members
      : VoxelMembers(pointToVoxel: voxels.pointToVoxel, voxelCount: voxels.count)
    let seen = seenPoints.map { classes.taking($0, axis: 0) } ?? classes
    return (
      segmentationTargets(ofClasses: seen),
      segmentationTargets(ofClasses: VoxelLabels.majority(classes, of: all))
    )
  }
}

extension SegmentationInput.Cloud {
  /// The positions as the grid has them [P × 3].
  fileprivate var gridPositions: Tensor<Float> {
    guard heightShift != 0 else { return points.positions }
    return points.positions + Tensor([0, 0, heightShift], shape: [1, 3])
  }
}

extension SegmenterConfiguration.DensityInput {
  /// u of densities [P × 4].
  fileprivate func gateInput(_ density: Tensor<Float>, _ range: DensityRange?) -> Tensor<Float> {
    guard self != .none, let range else { return .zeros(density.shape) }
    return range.normalized(density, clipping: self == .clipped ? .soft : .none)
  }
}

extension Voxelization {
  /// The first point of each voxel and random others, `limit` in all, ascending; nil if that is all.
  fileprivate func sample(limit: Int, using generator: inout Philox) -> Tensor<Int32>? {
    let total = pointToVoxel.count
    guard total > limit else { return nil }
    var isSeen = [Bool](repeating: false, count: total)
    firstPoints.withUnsafeElements { for point in $0 { isSeen[Int(point)] = true } }
    var left = limit - count
    if left > 0 {
      let order = Tensor<Int32>.permutation(total, using: &generator)
      order.withUnsafeElements { order in
        for point in order where left > 0 && !isSeen[Int(point)] {
          isSeen[Int(point)] = true
          left -= 1
        }
      }
    }
    let seen = (0..<total).filter { isSeen[$0] }.map { Int32($0) }
    return Tensor(seen, shape: [seen.count])
  }
}
