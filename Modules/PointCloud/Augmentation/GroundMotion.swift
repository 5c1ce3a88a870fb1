import Foundation
import Tensor

/// A linear map of the ground plane, a shift along it and a scale of heights.
///
///     (x', y') = A · (x + shift, y)      z' = s · z
struct GroundMotion {
  /// A, row by row, as applied to (x, y).
  private var xx = 1.0
  private var xy = 0.0
  private var yx = 0.0
  private var yy = 1.0
  private var height = 1.0
  /// How far points are moved along x before all else.
  var shift = 0.0

  /// Turns what came before about the z axis, counter-clockwise.
  mutating func rotate(degrees: Double) {
    let (c, s) = (cos(degrees * .pi / 180), sin(degrees * .pi / 180))
    (xx, yx) = (c * xx - s * yx, s * xx + c * yx)
    (xy, yy) = (c * xy - s * yy, s * xy + c * yy)
  }

  /// Changes the signs of x or y.
  mutating func flip(x: Bool, y: Bool) {
    if x { (xx, xy) = (-xx, -xy) }
    if y { (yx, yy) = (-yx, -yy) }
  }

  /// Multiplies all coordinates.
  mutating func scale(by factor: Double) {
    (xx, xy, yx, yy) = (xx * factor, xy * factor, yx * factor, yy * factor)
    height *= factor
  }

  /// Positions [P × 3], moved; computed in double precision and rounded once.
  func callAsFunction(_ positions: Tensor<Float>) -> Tensor<Float> {
    Tensor(uninitialized: positions.shape) { target in
      positions.withUnsafeElements { points in
        WorkPool.forEachRange(count: positions.shape[0], grain: 16384) { range in
          for place in range.lazy.map({ 3 * $0 }) {
            let (x, y) = (Double(points[place]) + shift, Double(points[place + 1]))
            target[place] = Float(xx * x + xy * y)
            target[place + 1] = Float(yx * x + yy * y)
            target[place + 2] = Float(height * Double(points[place + 2]))
          }
        }
      }
    }
  }
}

extension Philox {
  /// A number drawn evenly from a range.
  mutating func uniform(in range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * Double(uniform())
  }

  /// Whether something of this probability happens.
  mutating func isDrawn(_ probability: Double) -> Bool { Double(uniform()) < probability }
}
