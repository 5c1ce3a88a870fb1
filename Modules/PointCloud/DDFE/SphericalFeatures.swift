import Foundation
public import Tensor

/// Where a place lies as seen from the sensor, in four numbers: what DDFE's encoders read.
///
///     (cos theta, sin theta, phi, r / 50)
///
/// theta is the azimuth atan2(y, x), phi the elevation asin(z / r) in radians, r the range in
/// metres. A place above or below the sensor has theta 0, the sensor itself phi 0. Places are in
/// the sensor's frame: before any shift that the voxel grid adds.
///
/// - Source: Kim et al. 2024. Choice: the division of the range by 50 m.
public enum SphericalFeatures {
  /// The range that becomes 1, in metres.
  public static let rangeScale: Float = 50

  /// The features of points.
  ///
  /// - Shapes: positions [P × 3], result [P × 4].
  public static func ofPoints(_ positions: Tensor<Float>) -> Tensor<Float> {
    expect(
      positions.rank == 2 && positions.shape[1] == 3,
      "spherical features: positions are [P × 3], found \(positions.shape)"
    )
    let count = positions.shape[0]
    return positions.withUnsafeElements { places in
      Tensor(uninitialized: [count, 4]) { target in
        WorkPool.forEachRange(count: count, grain: 1 << 11) { rows in
          for row in rows {
            let (x, y, z) = (places[3 * row], places[3 * row + 1], places[3 * row + 2])
            // In double: a damaged file may hold numbers whose squares no float can.
            let flat = Double(x) * Double(x) + Double(y) * Double(y)
            let distance = flat.squareRoot()
            let isAbove = distance == 0
            target[4 * row] = isAbove ? 1 : Float(Double(x) / distance)
            target[4 * row + 1] = isAbove ? 0 : Float(Double(y) / distance)
            target[4 * row + 2] = Float(atan2(Double(z), distance))
            let range = (flat + Double(z) * Double(z)).squareRoot()
            target[4 * row + 3] = Float(range / Double(rangeScale))
          }
        }
      }
    }
  }

  /// The features of the centres of voxels, (c + 0.5) · voxelSize − shift.
  ///
  /// - Parameters:
  ///   - coordinates: (batch, x, y, z) or (x, y, z) of each voxel.
  ///   - voxelSize: the edge of a voxel in metres.
  ///   - shifts: what was added to the positions of each scan of the batch before they were put into
  ///     voxels, such as the sensor's height; nil for nothing.
  /// - Returns: the features [V × 4].
  /// - Shapes: coordinates [V × 4] or [V × 3], shifts [B × 3].
  public static func ofVoxels(
    _ coordinates: Tensor<Int32>,
    voxelSize: Float,
    shifts: Tensor<Float>? = nil
  ) -> Tensor<Float> {
    ofPoints(voxelCentres(coordinates, voxelSize: voxelSize, shifts: shifts))
  }

  /// The centres of voxels in the sensor's frame; see `ofVoxels(_:voxelSize:shifts:)`.
  ///
  /// - Shapes: coordinates [V × 4] or [V × 3], shifts [B × 3], result [V × 3].
  public static func voxelCentres(
    _ coordinates: Tensor<Int32>,
    voxelSize: Float,
    shifts: Tensor<Float>? = nil
  ) -> Tensor<Float> {
    let width = coordinates.rank == 2 ? coordinates.shape[1] : 0
    expect(
      width == 3 || width == 4,
      "spherical features: voxels are [V × 3] or [V × 4], found \(coordinates.shape)"
    )
    let scans = shifts ?? .zeros([1, 3])
    expect(
      scans.rank == 2 && scans.shape[1] == 3 && (width == 4 || scans.shape[0] == 1),
      "spherical features: shifts \(scans.shape) for the voxels \(coordinates.shape)"
    )
    let count = coordinates.shape[0]
    let hasScans = shifts != nil && width == 4
    return coordinates.withUnsafeElements { voxels in
      if hasScans { checkScans(voxels, below: scans.shape[0]) }
      return scans.withUnsafeElements { shift in
        Tensor(uninitialized: [count, 3]) { centres in
          WorkPool.forEachRange(count: count, grain: 1 << 13) { rows in
            for row in rows {
              let first = row * width + width - 3
              let scan = hasScans ? Int(voxels[row * width]) : 0
              for axis in 0..<3 {
                let centre = (Float(voxels[first + axis]) + 0.5) * voxelSize
                centres[3 * row + axis] = centre - shift[3 * scan + axis]
              }
            }
          }
        }
      }
    }
  }

  private static func checkScans(_ voxels: UnsafeBufferPointer<Int32>, below count: Int) {
    for row in stride(from: 0, to: voxels.count, by: 4) {
      expect(
        voxels[row] >= 0 && voxels[row] < count,
        "spherical features: a voxel of scan \(voxels[row]), but \(count) shifts"
      )
    }
  }
}
