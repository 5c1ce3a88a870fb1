import Foundation

/// A part of the scene as rays meet it: flat numbers in its own axes, with the sensor in them.
///
/// The intersections use that the directions have length 1, and measure from the point of the ray
/// that is nearest to the part's middle: small things far away keep their digits in Float.
struct TracedPart {
  private enum Form {
    case box
    case cylinder
    case ellipsoid
    case volume
  }

  private let form: Form
  /// The sensor in the part's axes.
  private let origin: SIMD3<Float>
  private let halfExtents: SIMD3<Float>
  private let cosine: Float
  private let sine: Float
  private let surface: TracedSurface
  private let stopProbability: Float
  /// The rate of foliage per metre.
  private let rate: Float
  /// Which part of the scene this is.
  private let index: UInt32
  /// No ray meets the part nearer than this.
  let nearest: Float
  /// The first column whose rays can meet it, and how many can.
  let columns: (first: Int, count: Int)
  /// The rings whose rays can meet it.
  let rings: Range<Int>

  /// The cosine of incidence on foliage, which has no surface.
  private static let foliageCosine: Float = 0.6

  /// The part as seen from a pose along the rays of a grid.
  init(_ part: ScenePart, index: Int, pose: SensorPose, grid: RayGrid) {
    let view = PartView(part, from: pose.position)
    origin = SIMD3<Float>(view.origin)
    halfExtents = SIMD3<Float>(part.halfExtents)
    (cosine, sine) = (Float(cos(part.yaw)), Float(sin(part.yaw)))
    surface = TracedSurface(SceneSurface(label: part.label, reflectance: part.reflectance))
    stopProbability = Float(part.stopProbability)
    self.index = UInt32(index)
    (form, rate) =
      switch part.form {
      case .box: (.box, 0)
      case .cylinder: (.cylinder, 0)
      case .ellipsoid: (.ellipsoid, 0)
      case .volume(let rate): (.volume, Float(rate))
      }
    nearest = Float(view.nearest)
    let elevations = view.elevations(tilt: pose.tilt)
    let azimuths = view.azimuths(tilt: pose.tilt, elevations: elevations)
    columns = grid.columns(from: azimuths.lowerBound, to: azimuths.upperBound)
    rings = grid.rings(from: elevations.lowerBound, to: elevations.upperBound)
  }

  /// Whether rays of the column can meet it.
  @inline(__always)
  func isSeen(from column: Int, of columnCount: Int) -> Bool {
    let place = column - columns.first
    return (place < 0 ? place + columnCount : place) < columns.count
  }

  /// Lets the rays of a column (one for each ring) meet the part.
  func meet(_ rays: UnsafeMutablePointer<TracedRay>, _ dice: RayDice) {
    switch form {
    case .box: for ring in rings { meetBox(&rays[ring], dice) }
    case .cylinder: for ring in rings { meetCylinder(&rays[ring], dice) }
    case .ellipsoid, .volume: for ring in rings { meetEllipsoid(&rays[ring], dice) }
    }
  }

  /// The direction of a ray in the part's axes.
  @inline(__always)
  private func direction(_ ray: TracedRay) -> SIMD3<Float> {
    let d = ray.direction
    return SIMD3(cosine * d.x + sine * d.y, cosine * d.y - sine * d.x, d.z)
  }

  /// Stops the ray at a surface in front of what it met so far, unless it slips through.
  @inline(__always)
  private func stop(_ ray: inout TracedRay, at range: Float, cosine: Float, _ dice: RayDice) {
    if stopProbability < 1, dice.uniform(ray: ray.index, part: index) >= stopProbability {
      return
    }
    ray.meet(surface, at: range, cosine: cosine)
  }
}

// MARK: - Intersections

extension TracedPart {
  /// Slabs: the ray is inside from the last entry to the first exit of the three pairs of planes.
  @inline(__always)
  private func meetBox(_ ray: inout TracedRay, _ dice: RayDice) {
    guard nearest < ray.range else { return }
    let d = direction(ray)
    let (x, y, z) = (safeInverse(d.x), safeInverse(d.y), safeInverse(d.z))
    let (middleX, reachX) = (-origin.x * x, halfExtents.x * abs(x))
    let (middleY, reachY) = (-origin.y * y, halfExtents.y * abs(y))
    let (middleZ, reachZ) = (-origin.z * z, halfExtents.z * abs(z))
    let (entryX, entryY, entryZ) = (middleX - reachX, middleY - reachY, middleZ - reachZ)
    let entry = max(entryX, max(entryY, entryZ))
    let exit = min(middleX + reachX, min(middleY + reachY, middleZ + reachZ))
    guard entry <= exit, entry > 0, entry < ray.range else { return }
    let normal = entry == entryX ? d.x : entry == entryY ? d.y : d.z
    stop(&ray, at: entry, cosine: abs(normal), dice)
  }

  /// The side alone: both points where the ray passes through it, as far as they have its height.
  @inline(__always)
  private func meetCylinder(_ ray: inout TracedRay, _ dice: RayDice) {
    guard nearest < ray.range else { return }
    let d = direction(ray)
    let radius = halfExtents.x
    let square = d.x * d.x + d.y * d.y
    guard square > 1e-12 else { return }
    let inverse = 1 / square
    let middle = -(origin.x * d.x + origin.y * d.y) * inverse
    let (x, y) = (origin.x + middle * d.x, origin.y + middle * d.y)
    let chord = radius * radius - (x * x + y * y)
    guard chord >= 0 else { return }
    let half = (chord * inverse).squareRoot()
    var range = middle - half
    if range <= 0 || abs(origin.z + range * d.z) > halfExtents.z { range = middle + half }
    guard range > 0, range < ray.range, abs(origin.z + range * d.z) <= halfExtents.z else { return }
    // The normal is horizontal; its cosine to the ray is that of the half chord.
    stop(&ray, at: range, cosine: min(1, half * square / radius), dice)
  }

  /// The unit sphere after dividing by the radii; foliage is entered, a surface stops the ray.
  @inline(__always)
  private func meetEllipsoid(_ ray: inout TracedRay, _ dice: RayDice) {
    guard nearest < ray.range else { return }
    let d = direction(ray)
    let (scaled, start) = (d / halfExtents, origin / halfExtents)
    let inverse = 1 / dot(scaled, scaled)
    let middle = -dot(start, scaled) * inverse
    let closest = start + middle * scaled
    let chord = 1 - dot(closest, closest)
    guard chord >= 0 else { return }
    let half = (chord * inverse).squareRoot()
    if form == .volume {
      let (entry, exit) = (max(middle - half, 0), middle + half)
      guard exit > 0, entry < ray.range else { return }
      let depth = -log(1 - dice.uniform(ray: ray.index, part: index)) / rate
      guard entry + depth < min(exit, ray.range) else { return }
      return ray.meet(surface, at: entry + depth, cosine: Self.foliageCosine)
    }
    let range = middle - half
    guard range > 0, range < ray.range else { return }
    let gradient = (closest - half * scaled) / halfExtents
    let length = dot(gradient, gradient).squareRoot()
    stop(&ray, at: range, cosine: min(1, abs(dot(gradient, d)) / length), dice)
  }
}

/// 1/x, large but finite where x is nearly nothing, so that products with 0 stay numbers.
@inline(__always)
private func safeInverse(_ x: Float) -> Float { 1 / (abs(x) < 1e-12 ? 1e-12 : x) }

@inline(__always)
private func dot(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float {
  a.x * b.x + a.y * b.y + a.z * b.z
}
