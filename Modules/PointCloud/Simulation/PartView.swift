import Foundation

/// Within which angles a part of the scene is seen from a place: what lets a scan skip the rest.
struct PartView {
  /// The place in the part's axes.
  let origin: SIMD3<Double>
  /// No point of the part is nearer than this.
  let nearest: Double
  /// The distance to the nearest point of the part, seen from above.
  let groundDistance: Double
  /// The azimuths in the world; lower and upper bound within one turn.
  private let azimuths: ClosedRange<Double>
  /// The elevations in the world.
  private let elevations: ClosedRange<Double>

  init(_ part: ScenePart, from position: SIMD3<Double>) {
    let toMiddle = part.centre - position
    let (cosine, sine) = (cos(part.yaw), sin(part.yaw))
    origin = SIMD3(
      -(cosine * toMiddle.x + sine * toMiddle.y),
      sine * toMiddle.x - cosine * toMiddle.y,
      -toMiddle.z
    )
    let half = part.halfExtents
    let foot =
      if case .box = part.form {
        Foot(box: SIMD2(half.x, half.y), origin: SIMD2(origin.x, origin.y))
      } else {
        Foot(circle: max(half.x, half.y), distance: hypot(origin.x, origin.y))
      }
    let (bottom, top) = (toMiddle.z - half.z, toMiddle.z + half.z)
    groundDistance = foot.nearest
    nearest = hypot(foot.nearest, max(0, max(bottom, -top)))
    elevations =
      atan2(
        bottom,
        bottom < 0 ? foot.nearest : foot.farthest
      )...atan2(
        top,
        top > 0 ? foot.nearest : foot.farthest
      )
    let middle = atan2(toMiddle.y, toMiddle.x)
    azimuths = middle + foot.angles.lowerBound...middle + foot.angles.upperBound
  }

  /// The elevations at which a sensor can see the part that is tilted by no more than `tilt`.
  func elevations(tilt: Double) -> ClosedRange<Double> {
    elevations.lowerBound - tilt - Self.margin...elevations.upperBound + tilt + Self.margin
  }

  /// The azimuths at which a tilted sensor can see the part, between these elevations of its own.
  ///
  /// A turn by τ moves a direction of elevation e by no more than asin(sin τ / cos e) in azimuth.
  func azimuths(tilt: Double, elevations: ClosedRange<Double>) -> ClosedRange<Double> {
    let steepest = max(abs(elevations.lowerBound), abs(elevations.upperBound))
    let (shift, room) = (sin(tilt), cos(min(steepest, .pi / 2)))
    let widening = shift < room ? asin(shift / room) + Self.margin : .pi
    return azimuths.lowerBound - widening...azimuths.upperBound + widening
  }

  /// Wider than what Float rounds, in radians.
  private static let margin = 1e-5
}

/// The outline of a part seen from above.
private struct Foot {
  /// The least and the largest distance of its points.
  let nearest: Double
  let farthest: Double
  /// The azimuths that it covers, from that of its middle.
  let angles: ClosedRange<Double>

  init(circle radius: Double, distance: Double) {
    nearest = max(0, distance - radius)
    farthest = distance + radius
    let half = radius < distance ? asin(radius / distance) : .pi
    angles = -half...half
  }

  init(box half: SIMD2<Double>, origin: SIMD2<Double>) {
    let outside = SIMD2(abs(origin.x) - half.x, abs(origin.y) - half.y)
    nearest = hypot(max(outside.x, 0), max(outside.y, 0))
    farthest = hypot(abs(origin.x) + half.x, abs(origin.y) + half.y)
    guard nearest > 0 else {
      angles = -.pi...(.pi)
      return
    }
    // From outside, a box covers less than half a turn.
    let middle = atan2(-origin.y, -origin.x)
    let corners = [(-half.x, -half.y), (-half.x, half.y), (half.x, -half.y), (half.x, half.y)]
    let turns = corners.map { x, y in
      (atan2(y - origin.y, x - origin.x) - middle).remainder(dividingBy: 2 * .pi)
    }
    angles = min(0, turns.min() ?? 0)...max(0, turns.max() ?? 0)
  }
}
