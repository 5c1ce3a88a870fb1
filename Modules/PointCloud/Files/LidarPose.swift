import Tensor

/// A motion without deformation: x′ = R x + t, in double precision.
public struct LidarPose: Hashable, Sendable {
  /// R and t, the rows of the matrix [R | t] one after another: 12 numbers.
  public let rows: [Double]

  /// The motion of a 3 × 4 matrix, given row by row.
  public init(rows: [Double]) {
    expect(rows.count == 12, "pose: \(rows.count) numbers, expected 12")
    self.rows = rows
  }

  /// The motion that leaves everything in place.
  public static let identity = LidarPose(rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])

  /// Where the motion takes a point.
  public func callAsFunction(_ point: SIMD3<Double>) -> SIMD3<Double> {
    var result = SIMD3<Double>()
    for i in 0..<3 {
      let row = SIMD3(rows[4 * i], rows[4 * i + 1], rows[4 * i + 2])
      result[i] = (row * point).sum() + rows[4 * i + 3]
    }
    return result
  }

  /// First `right`, then `left`.
  public static func * (left: LidarPose, right: LidarPose) -> LidarPose {
    var product = [Double](repeating: 0, count: 12)
    for i in 0..<3 {
      for j in 0..<4 {
        product[4 * i + j] = j == 3 ? left.rows[4 * i + 3] : 0
        for k in 0..<3 { product[4 * i + j] += left.rows[4 * i + k] * right.rows[4 * k + j] }
      }
    }
    return LidarPose(rows: product)
  }

  /// The motion back: R transposed and -Rᵀt, as R is a rotation.
  public var inverse: LidarPose {
    var result = [Double](repeating: 0, count: 12)
    for i in 0..<3 {
      for j in 0..<3 {
        result[4 * i + j] = rows[4 * j + i]
        result[4 * i + 3] -= rows[4 * j + i] * rows[4 * j + 3]
      }
    }
    return LidarPose(rows: result)
  }
}
