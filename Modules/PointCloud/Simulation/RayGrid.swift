import Foundation
import Tensor

/// The directions of a turn's rays: one elevation for each ring, one azimuth for each column.
///
/// Column c looks to (c + offset) · 360°/H, counterclockwise from straight ahead.
///
/// Choice: a turn starts straight ahead, so that in rings one after another the azimuth jumps from
/// 360° to 0° between two rings, as in KITTI's files.
package struct RayGrid {
  /// The elevation of each ring in radians.
  let elevations: [Double]
  /// The columns of a turn, H.
  let columnCount: Int
  /// The azimuth of the first column in columns, in [0, 1).
  let offset: Double
  /// Cosine and sine of each ring's elevation.
  let rings: [SIMD2<Float>]
  /// Cosine and sine of each column's azimuth.
  let columns: [SIMD2<Float>]

  package init(_ model: BeamModel, offset: Double) {
    elevations = model.elevations.map { $0 * .pi / 180 }
    columnCount = model.columnCount
    self.offset = offset
    let step = 2 * Double.pi / Double(model.columnCount)
    rings = elevations.map { SIMD2(Float(cos($0)), Float(sin($0))) }
    columns = (0..<model.columnCount).map {
      let azimuth = (Double($0) + offset) * step
      return SIMD2(Float(cos(azimuth)), Float(sin(azimuth)))
    }
  }

  /// The number of rays.
  var count: Int { rings.count * columnCount }

  /// The columns that look between two azimuths: the first, and how many (they wrap around).
  func columns(from lower: Double, to upper: Double) -> (first: Int, count: Int) {
    let step = 2 * Double.pi / Double(columnCount)
    let first = (lower / step - offset).rounded(.up)
    let last = (upper / step - offset).rounded(.down)
    let count = Int(max(0, min(last - first + 1, Double(columnCount))))
    let wrapped = Int(first) % columnCount
    return (wrapped < 0 ? wrapped + columnCount : wrapped, count)
  }

  /// The smallest range of rings that holds all whose elevation lies between two.
  func rings(from lower: Double, to upper: Double) -> Range<Int> {
    let isInside = { (elevation: Double) in elevation >= lower && elevation <= upper }
    guard let first = elevations.firstIndex(where: isInside),
      let last = elevations.lastIndex(where: isInside)
    else { return 0..<0 }
    return first..<last + 1
  }
}

/// A ray on its way, and the nearest thing that it met so far.
package struct TracedRay {
  /// The unit direction in the world.
  package var direction: (x: Float, y: Float, z: Float)
  /// The distance to what it met; infinite while it met nothing.
  package var range: Float = .infinity
  /// The cosine of the angle between the ray and the surface's normal.
  package var cosine: Float = 0
  /// The share of light that the surface sends back.
  package var reflectance: Float = 0
  /// The raw label of what it met.
  package var label: Int32 = 0
  /// Which ray of the grid it is: ring · H + column.
  let index: UInt32
}

/// Random numbers that belong to a ray and a part of the scene, in whatever order they are drawn.
struct RayDice {
  let key0: UInt32
  let key1: UInt32

  /// A number in [0, 1) for the ray that meets the part.
  func uniform(ray: UInt32, part: UInt32) -> Float {
    let word = Philox.block(counter: SIMD4(ray, part, 0, 0), key0: key0, key1: key1).x
    return Float(word >> 8) * 0x1p-24
  }
}
