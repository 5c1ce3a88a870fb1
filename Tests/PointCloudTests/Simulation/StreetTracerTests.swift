import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// All rays against all surfaces, in Double, without any shortcut.
private struct BruteForce {
  let scene: StreetScene
  let origin: SIMD3<Double>

  /// The range and label of the nearest surface.
  func nearest(_ d: SIMD3<Double>) -> (range: Double, label: Int32)? {
    let hits =
      ground(d)
      + scene.objects.flatMap(\.parts).flatMap { part in
        ranges(part, d).map { ($0, part.label) }
      }
    return hits.filter { $0.0 > 1e-9 }.min { $0.0 < $1.0 }
  }

  /// Every piece of the ground on its own: which are nearer is not considered.
  private func ground(_ d: SIMD3<Double>) -> [(Double, Int32)] {
    let layout = scene.layout
    let (w, kerb) = (layout.halfWidth, layout.kerbHeight)
    let isCrossing = { (x: Double) in
      layout.crossing.map { abs(x - $0.centre) < $0.halfWidth } ?? false
    }
    var hits: [(Double, Int32)] = []
    let add = { (t: Double, label: (SIMD3<Double>) -> Int32?) in
      guard t > 0, t.isFinite, let label = label(origin + t * d) else { return }
      hits.append((t, label))
    }
    add(-origin.z / d.z) { p in
      if isCrossing(p.x) { return 40 }
      return abs(p.y) >= w ? nil : layout.hasParking && abs(p.y) > w - 2.2 ? 44 : 40
    }
    add((kerb - origin.z) / d.z) { p in
      if isCrossing(p.x) || abs(p.y) < w { return nil }
      let besideCrossing = layout.crossing.map {
        abs(p.x - $0.centre) < $0.halfWidth + layout.sidewalkWidth
      }
      return abs(p.y) < w + layout.sidewalkWidth || besideCrossing == true ? 48 : 72
    }
    let face = { (p: SIMD3<Double>) in p.z >= 0 && p.z <= kerb }
    for y in [-w, w] {
      add((y - origin.y) / d.y) { p in face(p) && !isCrossing(p.x) ? 48 : nil }
    }
    if let crossing = layout.crossing {
      for x in [crossing.centre - crossing.halfWidth, crossing.centre + crossing.halfWidth] {
        add((x - origin.x) / d.x) { p in face(p) && abs(p.y) >= w ? 48 : nil }
      }
    }
    return hits
  }

  /// Where the ray passes through the surface of a part.
  private func ranges(_ part: ScenePart, _ d: SIMD3<Double>) -> [Double] {
    let o = turned(origin - part.centre, part.yaw)
    let (v, h) = (turned(d, part.yaw), part.halfExtents)
    switch part.form {
    case .box:
      var found: [Double] = []
      for axis in 0..<3 {
        for side in [-1.0, 1] {
          let t = (side * h[axis] - o[axis]) / v[axis]
          let p = o + t * v
          if (0..<3).allSatisfy({ $0 == axis || abs(p[$0]) <= h[$0] }) { found.append(t) }
        }
      }
      return found
    case .cylinder:
      let flat = roots(SIMD3(o.x, o.y, 0) / h.x, SIMD3(v.x, v.y, 0) / h.x)
      return flat.filter { abs(o.z + $0 * v.z) <= h.z }
    case .ellipsoid, .volume:
      return roots(o / h, v / h)
    }
  }

  private func turned(_ v: SIMD3<Double>, _ yaw: Double) -> SIMD3<Double> {
    SIMD3(cos(yaw) * v.x + sin(yaw) * v.y, cos(yaw) * v.y - sin(yaw) * v.x, v.z)
  }

  /// The t for which |o + t v| = 1.
  private func roots(_ o: SIMD3<Double>, _ v: SIMD3<Double>) -> [Double] {
    let (a, b, c) = ((v * v).sum(), (o * v).sum(), (o * o).sum() - 1)
    guard b * b >= a * c else { return [] }
    let root = (b * b - a * c).squareRoot()
    return [(-b - root) / a, (-b + root) / a]
  }
}

@Suite struct StreetTracerTests {
  static let model = BeamModel(
    name: "coarse",
    elevations: (0..<28).map { 20 - 2 * Double($0) },
    columnCount: 90,
    mountHeight: 1.8,
    maximumRange: 200
  )

  /// A street of things that stop every ray, so that nothing is left to chance.
  private static func solid(seed: UInt64) -> StreetScene {
    let scene = StreetScene(seed: seed)
    let objects = scene.objects.filter {
      $0.parts.allSatisfy { part in
        if case .volume = part.form { return false }
        return part.stopProbability == 1
      }
    }
    return StreetScene(layout: scene.layout, objects: objects)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func raysMeetWhatBruteForceFinds(seed: UInt64) {
    let scene = Self.solid(seed: seed)
    let position = SIMD3(0, scene.layout.sensorOffset, 1.8)
    let pose = SensorPose(position: position, pitch: 0.02, roll: -0.01)
    let grid = RayGrid(Self.model, offset: 0.3)
    let tracer = StreetTracer(scene, pose: pose, grid: grid, dice: Philox(seed: 1))
    let bruteForce = BruteForce(scene: scene, origin: pose.position)
    var differing = 0
    for column in 0..<Self.model.columnCount {
      for ray in tracer.rays(of: column) {
        let d = ray.direction
        let unit = SIMD3(Double(d.x), Double(d.y), Double(d.z))
        let expected = bruteForce.nearest(unit)
        let isSame =
          ray.label == expected?.label ?? 0
          && (expected.map { abs(Double(ray.range) - $0.range) < 2e-3 + 1e-3 * $0.range }
            ?? (ray.range == .infinity))
        if !isSame { differing += 1 }
        if ray.cosine < 0 || ray.cosine > 1.00001 { differing += 1 }
      }
    }
    // On edges Float and Double may see different things: at most two rays in a thousand.
    #expect(differing <= Self.model.beamCount * Self.model.columnCount / 500)
  }

  /// A part 10 m ahead, at the height of the sensor, and what the rays straight ahead meet.
  private func rays(_ form: ScenePart.Form, yaw: Double = 0, count: Int = 1) -> [TracedRay] {
    let part = ScenePart(
      form,
      centre: SIMD3(10, -2, 1.8),
      halfExtents: SIMD3(2, 2, 2),
      yaw: yaw,
      surface: .init(label: 99, reflectance: 0.5)
    )
    let object = SceneObject(.bush, radius: 2, parts: [part])
    let scene = StreetScene(layout: TestStreets.layout, objects: [object])
    var model = Self.model
    (model.elevations, model.columnCount) = (Array(repeating: 0, count: count), 4)
    let pose = TestStreets.pose(height: 1.8)
    let grid = RayGrid(model, offset: 0)
    let tracer = StreetTracer(scene, pose: pose, grid: grid, dice: Philox(seed: 1))
    for column in 1..<4 { #expect(tracer.rays(of: column).allSatisfy { $0.range == .infinity }) }
    return tracer.rays(of: 0)
  }

  /// Straight ahead the box begins at 8 m; turned by 45°, with its edge at 10 − 2√2.
  @Test func surfacesAreMetWhereTheyBegin() {
    let box = rays(.box)[0]
    #expect(box.label == 99 && abs(box.range - 8) < 1e-4 && abs(box.cosine - 1) < 1e-5)
    let turned = rays(.box, yaw: .pi / 4)[0]
    #expect(abs(Double(turned.range) - (10 - 8.0.squareRoot())) < 1e-3)
    #expect(abs(Double(turned.cosine) - 0.5.squareRoot()) < 1e-3)
    for form in [ScenePart.Form.cylinder, .ellipsoid] {
      let round = rays(form)[0]
      #expect(abs(round.range - 8) < 1e-4 && abs(round.cosine - 1) < 1e-4)
    }
  }

  /// Through 4 m of leaves of rate 0.5 get exp(−2) of the rays; the depth of those that do not has
  /// the mean 2 − 4 exp(−2) / (1 − exp(−2)).
  @Test(.tags(.statistical))
  func foliageStopsRaysByChance() {
    let ranges = rays(.volume(rate: 0.5), count: 4000).map(\.range)
    let stopped = ranges.filter { $0 < .infinity }.map { Double($0) - 8 }
    let through = 1 - Double(stopped.count) / 4000
    // Four standard errors: 4 · √(0.135 · 0.865 / 4000) and 4 · 1.1 / √3460.
    #expect(abs(through - exp(-2)) < 0.022)
    let mean = stopped.reduce(0, +) / Double(stopped.count)
    #expect(abs(mean - (2 - 4 * exp(-2) / (1 - exp(-2)))) < 0.075)
    #expect(stopped.allSatisfy { $0 >= 0 && $0 <= 4.001 })
  }
}
