/// The ground of a street as rays meet it.
///
/// A ray first meets the plane of the kerb's height: off the roads that is sidewalk or open ground.
/// Else it goes on to the road's plane; if it gets there only beyond the road's edge, it met the
/// kerb's face.
struct TracedGround {
  private let origin: SIMD3<Float>
  private let kerb: Float
  private let halfWidth: Float
  private let parkingStart: Float
  private let sidewalkWidth: Float
  private let crossingCentre: Float
  /// Half the crossing road's width; below any distance if there is none.
  private let crossingHalfWidth: Float

  /// The width of a parking row in metres.
  private static let parkingWidth = 2.2

  init(_ layout: StreetLayout, from position: SIMD3<Double>) {
    origin = SIMD3<Float>(position)
    kerb = Float(layout.kerbHeight)
    halfWidth = Float(layout.halfWidth)
    let parking = layout.halfWidth - Self.parkingWidth
    parkingStart = layout.hasParking ? Float(parking) : .infinity
    sidewalkWidth = Float(layout.sidewalkWidth)
    crossingCentre = Float(layout.crossing?.centre ?? 0)
    crossingHalfWidth = layout.crossing.map { Float($0.halfWidth) } ?? -.infinity
  }

  /// Lets the ray meet the ground.
  func meet(_ ray: inout TracedRay) {
    let d = ray.direction
    guard d.z < 0 else { return }
    let down = -1 / d.z
    let kerbRange = (origin.z - kerb) * down
    let across = abs(origin.y + kerbRange * d.y)
    let along = abs(origin.x + kerbRange * d.x - crossingCentre)
    let (isRoad, isCrossing) = (across < halfWidth, along < crossingHalfWidth)
    guard isRoad || isCrossing else {
      let isSidewalk =
        across < halfWidth + sidewalkWidth || along < crossingHalfWidth + sidewalkWidth
      return ray.meet(isSidewalk ? sidewalk : terrain, at: kerbRange, cosine: -d.z)
    }
    let range = origin.z * down
    let side = abs(origin.y + range * d.y)
    if abs(origin.x + range * d.x - crossingCentre) < crossingHalfWidth {
      return ray.meet(road, at: range, cosine: -d.z)
    }
    if side < halfWidth {
      return ray.meet(side > parkingStart ? parking : road, at: range, cosine: -d.z)
    }
    // The face lies where the ray leaves the last of the roads that it was above.
    let roadExit = isRoad ? exit(origin.y, d.y, halfWidth) : 0
    let crossingExit =
      isCrossing ? exit(origin.x - crossingCentre, d.x, crossingHalfWidth) : 0
    ray.meet(
      sidewalk,
      at: min(max(roadExit, crossingExit), range),
      cosine: abs(roadExit > crossingExit ? d.y : d.x)
    )
  }

  /// Where a ray from a place between −halfWidth and halfWidth gets out.
  private func exit(_ start: Float, _ direction: Float, _ halfWidth: Float) -> Float {
    (halfWidth - (direction < 0 ? -start : start)) / max(abs(direction), 1e-12)
  }
}

/// A surface in the form that the tracer keeps.
struct TracedSurface {
  let label: Int32
  let reflectance: Float

  init(_ surface: SceneSurface) {
    label = surface.label
    reflectance = Float(surface.reflectance)
  }
}

private let road = TracedSurface(.road)
private let parking = TracedSurface(.parking)
private let sidewalk = TracedSurface(.sidewalk)
private let terrain = TracedSurface(.terrain)

extension TracedRay {
  /// The ray met this surface, which is the nearest so far.
  @inline(__always)
  mutating func meet(_ surface: TracedSurface, at range: Float, cosine: Float) {
    self.range = range
    self.cosine = cosine
    label = surface.label
    reflectance = surface.reflectance
  }
}
