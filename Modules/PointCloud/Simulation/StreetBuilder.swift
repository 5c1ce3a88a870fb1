import Foundation

/// Puts the objects of a street where they may stand, rule by rule.
///
/// An object that is too near the sensor or overlaps another is left out; it is not drawn again.
///
/// Choice: circles stand for the objects. For the sensor's distance it is that of the whole object
/// (a crown counts); among each other only that of the foot, so that trees stand beside parked cars
/// and people walk below crowns.
struct StreetBuilder {
  let layout: StreetLayout
  private(set) var objects: [SceneObject] = []

  init(layout: StreetLayout) { self.layout = layout }

  /// The rules of the scene, in order; each has dice of its own.
  static let rules: [@Sendable (inout StreetBuilder, inout SceneDice) -> Void] = [
    { $0.parkVehicles(&$1) },
    { $0.addTraffic(&$1) },
    { $0.addSidewalkLife(&$1) },
    { $0.addKerbLine(&$1) },
    { $0.addRoadside(&$1) },
    { $0.addBackdrop(&$1) },
  ]

  /// The metres between the circle of an object and that of another.
  private static let vehicleClearance = 0.4
  private static let smallClearance = 0.1
  /// The metres between the sensor and any object's circle.
  private static let sensorClearance = 2.8

  /// Adds an object at a place if it may stand there.
  private mutating func place(
    _ object: SceneObject,
    x: Double,
    y: Double,
    yaw: Double = 0,
    clearance: Double
  ) {
    let sensor = hypot(x, y - layout.sensorOffset)
    guard sensor >= object.reach + Self.sensorClearance else { return }
    let isFree = objects.allSatisfy {
      hypot(x - $0.x, y - $0.y) >= object.radius + $0.radius + clearance
    }
    guard isFree else { return }
    let ground = layout.groundHeight(x: x, y: y)
    objects.append(object.placed(x: x, y: y, ground: ground, yaw: yaw))
  }

  /// Parked rows on both sides.
  private mutating func parkVehicles(_ dice: inout SceneDice) {
    guard layout.hasParking else { return }
    for side in [-1.0, 1] {
      var x = -60 + dice.uniform(0, 6)
      while x < 60 {
        if dice.chance(0.55), !layout.isCrossing(x, margin: 4) {
          let kind: SceneObject.Kind = dice.choice([
            (.car, 6.0 / 9), (.van, 1.0 / 9), (.motorcycle, 1.0 / 9), (.truck, 1.0 / 9),
          ])
          let vehicle = SceneObject.vehicle(kind, &dice)
          let yaw = dice.normal(0, 0.03) + (dice.chance(0.5) ? .pi : 0)
          let y = side * (layout.halfWidth - 1.15)
          place(vehicle, x: x, y: y, yaw: yaw, clearance: Self.vehicleClearance)
        }
        x += dice.uniform(5.2, 7.5)
      }
    }
  }

  /// Moving vehicles; traffic keeps to the right, as the sensor does.
  private mutating func addTraffic(_ dice: inout SceneDice) {
    let half = layout.halfWidth
    let lanes = [half / 2, -half / 2] + (half >= 5 ? [half / 5, -half / 5] : [])
    for lane in lanes {
      for _ in 0..<dice.poisson(2.2) {
        let kind: SceneObject.Kind = dice.choice([
          (.car, 0.62), (.truck, 0.11), (.bus, 0.08), (.van, 0.09), (.motorcycle, 0.05),
          (.cyclist, 0.05),
        ])
        let vehicle = SceneObject.vehicle(kind, &dice)
        place(
          vehicle,
          x: dice.uniform(-60, 60),
          y: lane + dice.normal(0, 0.2),
          yaw: lane < 0 ? 0 : .pi,
          clearance: Self.vehicleClearance
        )
      }
    }
  }

  /// Pedestrians, and bicycles and motorcycles that stand there.
  private mutating func addSidewalkLife(_ dice: inout SceneDice) {
    let (inner, outer) = (layout.halfWidth, layout.outerEdge)
    for side in [-1.0, 1] {
      for _ in 0..<dice.poisson(5) {
        place(
          SceneObject.pedestrian(&dice),
          x: dice.uniform(-60, 60),
          y: side * dice.uniform(inner + 0.3, outer - 0.3),
          yaw: dice.uniform(0, 2 * .pi),
          clearance: Self.smallClearance
        )
      }
      for _ in 0..<dice.poisson(1.6) {
        place(
          SceneObject.bicycle(),
          x: dice.uniform(-60, 60),
          y: side * (outer - 0.3),
          yaw: dice.normal(0, 0.2),
          clearance: Self.smallClearance
        )
      }
      for _ in 0..<dice.poisson(0.7) {
        place(
          SceneObject.motorcycle(),
          x: dice.uniform(-60, 60),
          y: side * dice.uniform(inner + 0.4, outer - 0.4),
          yaw: dice.normal(0, 0.2),
          clearance: Self.smallClearance
        )
      }
    }
  }

  /// Poles, signs and trees behind the kerb.
  private mutating func addKerbLine(_ dice: inout SceneDice) {
    for side in [-1.0, 1] {
      var x = -70 + dice.uniform(0, 10)
      while x < 70 {
        let kind: SceneObject.Kind = dice.choice([(.pole, 0.45), (.sign, 0.15), (.tree, 0.4)])
        let object: SceneObject =
          switch kind {
          case .pole: .pole(&dice)
          case .sign: .sign(&dice)
          default: .tree(&dice)
          }
        if !layout.isCrossing(x, margin: 0.5) {
          let y = side * (layout.halfWidth + 0.5)
          place(object, x: x, y: y, clearance: Self.smallClearance)
        }
        x += dice.uniform(7, 16)
      }
    }
  }
}

// MARK: - Beside the sidewalk

extension StreetBuilder {
  /// Houses and open ground in segments along the sidewalks' outer edges.
  ///
  /// Choice: a segment that reaches the crossing road or its sidewalks is left out.
  private mutating func addRoadside(_ dice: inout SceneDice) {
    for side in [-1.0, 1] {
      var start = -70.0
      while start < 70 {
        let length = dice.uniform(10, 28)
        let middle = start + length / 2
        let isBuilding = dice.chance(0.5)
        if !layout.isCrossing(middle, margin: layout.sidewalkWidth + length / 2) {
          if isBuilding {
            addBuilding(at: middle, length: length, side: side, &dice)
          } else {
            addOpenGround(at: middle, length: length, side: side, &dice)
          }
        }
        start += length + dice.uniform(0, 3)
      }
    }
  }

  private mutating func addBuilding(
    at x: Double,
    length: Double,
    side: Double,
    _ dice: inout SceneDice
  ) {
    let (depth, height) = (dice.uniform(8, 14), dice.uniform(4, 18))
    let y = side * (layout.outerEdge + dice.uniform(0.2, 4) + depth / 2)
    let building = SceneObject.building(SIMD3(length, depth, height + layout.kerbHeight))
    objects.append(building.placed(x: x, y: y, ground: 0))
  }

  private mutating func addOpenGround(
    at x: Double,
    length: Double,
    side: Double,
    _ dice: inout SceneDice
  ) {
    let edge = layout.outerEdge
    if dice.chance(0.5) {
      let fence = SceneObject.fence(length: length, height: dice.uniform(1, 1.8))
      objects.append(fence.placed(x: x, y: side * (edge + 0.6), ground: layout.kerbHeight))
    }
    let ends = (x - length / 2, x + length / 2)
    for _ in 0..<dice.poisson(length / 7) {
      let place = (dice.uniform(ends.0, ends.1), side * (edge + dice.uniform(2, 14)))
      add(SceneObject.tree(&dice), at: place)
    }
    for _ in 0..<dice.poisson(length / 8) {
      let place = (dice.uniform(ends.0, ends.1), side * (edge + dice.uniform(1.2, 12)))
      add(SceneObject.bush(&dice), at: place)
    }
  }

  /// Plants may grow into each other and through fences.
  private mutating func add(_ plant: SceneObject, at place: (x: Double, y: Double)) {
    let distance = hypot(place.x, place.y - layout.sensorOffset)
    guard distance >= plant.reach + Self.sensorClearance else { return }
    objects.append(plant.placed(x: place.x, y: place.y, ground: layout.kerbHeight))
  }

  /// A long house behind each side, or none.
  private mutating func addBackdrop(_ dice: inout SceneDice) {
    for side in [-1.0, 1] where dice.chance(0.5) {
      let (depth, height) = (8.0, dice.uniform(6, 16))
      let y = side * (layout.outerEdge + dice.uniform(25, 40) + depth / 2)
      objects.append(SceneObject.building(SIMD3(120, depth, height)).placed(x: 0, y: y, ground: 0))
    }
  }
}
