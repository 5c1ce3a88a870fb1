import Foundation
import PointCloud
import TestSupport
import Testing

@Suite struct StreetSceneTests {
  static let scenes = (0..<60).map { StreetScene(seed: UInt64($0)) }

  @Test func aSeedIsAStreet() {
    let again = StreetScene(seed: 12)
    #expect(again.layout == Self.scenes[12].layout && again.objects == Self.scenes[12].objects)
    #expect(again.layout != Self.scenes[13].layout && again.objects != Self.scenes[13].objects)
  }

  @Test func everyKindOfObjectOccurs() {
    let kinds = Set(Self.scenes.flatMap(\.objects).map(\.kind))
    #expect(kinds == Set(SceneObject.Kind.allCases))
  }

  @Test func objectsKeepTheirDistances() {
    for scene in Self.scenes {
      let placed = scene.objects.filter { $0.kind != .building && $0.kind != .fence }
      for (index, object) in placed.enumerated() {
        let distance = hypot(object.x, object.y - scene.layout.sensorOffset)
        #expect(distance >= 2.8)
        let isFree = placed[..<index].allSatisfy {
          hypot($0.x - object.x, $0.y - object.y) >= $0.radius + object.radius + 0.099
        }
        #expect(isFree, "\(object.kind) at \(object.x), \(object.y)")
      }
    }
  }

  @Test func objectsStandWhereTheirRuleSays() {
    for scene in Self.scenes {
      let (half, outer) = (
        scene.layout.halfWidth, scene.layout.halfWidth + scene.layout.sidewalkWidth
      )
      #expect(abs(scene.layout.sensorOffset) < half)
      for object in scene.objects {
        switch object.kind {
        case .car, .van, .truck, .bus, .cyclist: #expect(abs(object.y) < half + 0.5)
        case .pedestrian, .bicycle: #expect(abs(object.y) > half && abs(object.y) < outer)
        case .pole, .sign: #expect(abs(abs(object.y) - half - 0.5) < 1e-9)
        case .building, .fence, .bush: #expect(abs(object.y) > outer)
        case .tree, .motorcycle: break
        }
        if let crossing = scene.layout.crossing, [.building, .fence].contains(object.kind),
          abs(object.x) > 0
        {
          #expect(abs(object.x - crossing.centre) > crossing.halfWidth + scene.layout.sidewalkWidth)
        }
      }
    }
  }

  /// Feet lie on the ground: at 0 on roads, at the kerb's height elsewhere.
  @Test func objectsStandOnTheGround() {
    for scene in Self.scenes {
      for object in scene.objects where [.pedestrian, .bicycle, .pole, .bush].contains(object.kind)
      {
        let bottom = object.parts.map { $0.centre.z - $0.halfExtents.z }.min() ?? -1
        let onCrossing = scene.layout.crossing.map { abs(object.x - $0.centre) < $0.halfWidth }
        #expect(abs(bottom - (onCrossing == true ? 0 : scene.layout.kerbHeight)) < 1e-9)
      }
    }
  }

  /// Traffic keeps to the right: what moves on the left half comes towards the sensor.
  @Test func trafficKeepsToTheRight() {
    for object in Self.scenes.flatMap(\.objects) where object.kind == .bus {
      #expect(object.y < 0 ? object.yaw == 0 : object.yaw == .pi)
    }
  }

  /// Means over 60 streets: within four standard errors of the rule's (Poisson, less what is left
  /// out because there is no room).
  @Test(
    .tags(.statistical),
    arguments: [
      (SceneObject.Kind.pedestrian, 8.5...11.2), (.bicycle, 2.4...4), (.pole, 6...10),
      (.building, 6...9.5), (.fence, 2.5...4.5), (.bus, 0.15...0.75), (.cyclist, 0.1...0.6),
    ]
  )
  func objectsAreAsManyAsTheirRuleSays(kind: SceneObject.Kind, range: ClosedRange<Double>) {
    let count = Self.scenes.flatMap(\.objects).count { $0.kind == kind }
    #expect(range.contains(Double(count) / 60), "\(kind): \(Double(count) / 60)")
  }
}
