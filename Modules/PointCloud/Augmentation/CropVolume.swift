public import Tensor

/// The box around the sensor that a network looks at, and what becomes of points outside.
///
/// - Source: the volumes of DGLSS (Kim et al. 2023), whose protocol the density paper adopts.
/// - Deviation: points outside are dropped by default; DGLSS clamps them, which builds walls of
///   voxels that nothing stands for.
public struct CropVolume: Codable, Hashable, Sendable {
  /// What becomes of the points outside.
  public enum Mode: String, Codable, Hashable, Sendable {
    /// They are left out.
    case drop
    /// They move to the nearest place of the box, as in published results.
    case clamp
  }

  /// The box along x, forward, in metres.
  public var x: ClosedRange<Float>
  /// The box along y, to the left, in metres.
  public var y: ClosedRange<Float>
  /// The box along z, upward, in metres.
  public var z: ClosedRange<Float>
  /// What becomes of the points outside.
  public var mode: Mode

  /// A box of the sensor's frame.
  public init(
    x: ClosedRange<Float>,
    y: ClosedRange<Float>,
    z: ClosedRange<Float>,
    mode: Mode = .drop
  ) {
    (self.x, self.y, self.z, self.mode) = (x, y, z, mode)
  }

  /// A box of half the width `radius` to all sides.
  public init(radius: Float, z: ClosedRange<Float>, mode: Mode = .drop) {
    self.init(x: -radius...radius, y: -radius...radius, z: z, mode: mode)
  }

  /// The volume for SemanticKITTI.
  public static let kitti = CropVolume(radius: 50, z: -4...2)
  /// The volume for nuScenes.
  public static let nuScenes = CropVolume(radius: 50, z: -5...3)
  /// The volume for Waymo.
  public static let waymo = CropVolume(radius: 75, z: -4...2)

  /// The same box with another treatment of the points outside.
  public func with(_ mode: Mode) -> CropVolume {
    var volume = self
    volume.mode = mode
    return volume
  }

  /// The indices of the points [P × 3] that lie inside, borders included.
  public func inside(_ positions: Tensor<Float>) -> [Int32] {
    positions.withUnsafeElements { points in
      (0..<Int32(positions.shape[0])).filter { index in
        let place = 3 * Int(index)
        return x.contains(points[place]) && y.contains(points[place + 1])
          && z.contains(points[place + 2])
      }
    }
  }

  /// The indices of the points [P × 3] that the volume is about: those inside, or, where points
  /// outside are moved to its border, all that have a position.
  public func held(_ positions: Tensor<Float>) -> [Int32] {
    switch mode {
    case .drop: return inside(positions)
    case .clamp:
      return positions.withUnsafeElements { points in
        (0..<Int32(positions.shape[0])).filter { index in
          let place = 3 * Int(index)
          return points[place].isFinite && points[place + 1].isFinite
            && points[place + 2].isFinite
        }
      }
    }
  }

  /// The positions [P × 3], moved to the nearest place of the box; what is no number stays so.
  public func clamped(_ positions: Tensor<Float>) -> Tensor<Float> {
    let ranges = [x, y, z]
    var result = positions
    result.withUnsafeMutableElements { points in
      for index in points.indices {
        let range = ranges[index % 3]
        if points[index] < range.lowerBound { points[index] = range.lowerBound }
        if points[index] > range.upperBound { points[index] = range.upperBound }
      }
    }
    return result
  }

  /// A scan's points inside, or moved inside.
  public func callAsFunction(_ scan: LidarScan) -> LidarScan {
    switch mode {
    case .drop: return scan.selecting(inside(scan.positions))
    case .clamp:
      var result = scan
      result.positions = clamped(scan.positions)
      return result
    }
  }

  /// A cloud's points inside, or moved inside, with the densities they have.
  public func callAsFunction(_ cloud: DensityCloud) -> DensityCloud {
    switch mode {
    case .drop: return cloud.selecting(inside(cloud.positions))
    case .clamp:
      var result = cloud
      result.positions = clamped(cloud.positions)
      return result
    }
  }
}
