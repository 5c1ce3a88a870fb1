import Foundation

/// Puts the objects of a street where they may stand, rule by rule.
///
/// An object that overlaps another (circles around both, and a clearance) or is too near the sensor
/// does not stand there. Houses and fences have their own ground outside the sidewalks and are not
/// compared.
///
/// Choice: what has a free place along the road (traffic, people, bicycles) is put elsewhere then,
/// what has a fixed one is left out. Without second tries, vehicles and people are scarcer than the
/// specification's shares say.
///
/// Choice: the sensor's 2.8 m are measured from the parts as seen from above, not from a circle:
/// vehicles may stand beside the sensor's lane. They are 11 % of an HDL-64E's points then; the
/// specification says 13 %, and circles give 9 %.
struct StreetBuilder {
  let layout: StreetLayout
  /// What was placed and keeps its distance.
  private(set) var objects: [SceneObject] = []
  /// Houses and fences, which stand outside of where anything else does.
  private(set) var structures: [SceneObject] = []

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

  /// How often an object whose place is free to choose is drawn before it is left out.
  private static let attempts = 20

  /// A place to stand, and the direction to face.
  private struct Spot {
    var x: Double
    var y: Double
    var yaw = 0.0
  }

  /// Adds an object at a place if it may stand there.
  ///
  /// - Returns: Whether it may.
  @discardableResult
  private mutating func place(_ object: SceneObject, at spot: Spot, clearance: Double) -> Bool {
    let isFree = objects.allSatisfy {
      hypot(spot.x - $0.x, spot.y - $0.y) >= object.radius + $0.radius + clearance
    }
    guard isFree else { return false }
    let ground = layout.groundHeight(x: spot.x, y: spot.y)
    let placed = object.placed(x: spot.x, y: spot.y, ground: ground, yaw: spot.yaw)
    let sensor = SIMD3(0, layout.sensorOffset, 0)
    let isClear = placed.parts.allSatisfy {
      PartView($0, from: sensor).groundDistance >= Self.sensorClearance
    }
    if isClear { objects.append(placed) }
    return isClear
  }

  /// Adds an object at the first of some places where it may stand.
  private mutating func settle(_ object: SceneObject, clearance: Double, _ spot: () -> Spot) {
    for _ in 0..<Self.attempts {
      if place(object, at: spot(), clearance: clearance) { return }
    }
  }

  /// Parked rows on both sides.
  private mutating func parkVehicles(_ dice: inout SceneDice) {
    guard layout.hasParking else { return }
    for side in [-1.0, 1] {
      var x = -60 + dice.uniform(0, 6)
      while x < 60 {
        if dice.chance(0.55), !layout.isCrossing(x, margin: 4) {
          let kind: SceneObject.Kind = dice.choice([
            (.car, 6 / 9.0), (.van, 1 / 9.0), (.motorcycle, 1 / 9.0), (.truck, 1 / 9.0),
          ])
          let vehicle = SceneObject.vehicle(kind, &dice)
          let yaw = dice.normal(0, 0.03) + (dice.chance(0.5) ? .pi : 0)
          let spot = Spot(x: x, y: side * (layout.halfWidth - 1.15), yaw: yaw)
          place(vehicle, at: spot, clearance: Self.vehicleClearance)
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
        settle(vehicle, clearance: Self.vehicleClearance) {
          let x = dice.uniform(-60, 60)
          return Spot(x: x, y: lane + dice.normal(0, 0.2), yaw: lane < 0 ? 0 : .pi)
        }
      }
    }
  }

  /// Pedestrians, and bicycles and motorcycles that stand there.
  private mutating func addSidewalkLife(_ dice: inout SceneDice) {
    let (inner, outer) = (layout.halfWidth, layout.outerEdge)
    for side in [-1.0, 1] {
      for _ in 0..<dice.poisson(5) {
        settle(SceneObject.pedestrian(&dice), clearance: Self.smallClearance) {
          let (x, y) = (dice.uniform(-60, 60), side * dice.uniform(inner + 0.3, outer - 0.3))
          return Spot(x: x, y: y, yaw: dice.uniform(0, 2 * .pi))
        }
      }
      for _ in 0..<dice.poisson(1.6) {
        settle(SceneObject.bicycle(), clearance: Self.smallClearance) {
          Spot(x: dice.uniform(-60, 60), y: side * (outer - 0.3), yaw: dice.normal(0, 0.2))
        }
      }
      for _ in 0..<dice.poisson(0.7) {
        settle(SceneObject.motorcycle(), clearance: Self.smallClearance) {
          let (x, y) = (dice.uniform(-60, 60), side * dice.uniform(inner + 0.4, outer - 0.4))
          return Spot(x: x, y: y, yaw: dice.normal(0, 0.2))
        }
      }
    }
  }

  /// Poles, signs and trees behind the kerb.
  private mutating func addKerbLine(_ dice: inout SceneDice) {
    for side in [-1.0, 1] {
      var x = -70 + dice.uniform(0, 10)
      while x < 70 {
        let object = dice.choice([
          (SceneObject.pole, 0.45), (SceneObject.sign, 0.15), (SceneObject.tree, 0.4),
        ])(&dice)
        if !layout.isCrossing(x, margin: 0.5) {
          let spot = Spot(x: x, y: side * (layout.halfWidth + 0.5))
          place(object, at: spot, clearance: Self.smallClearance)
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
    structures.append(building.placed(x: x, y: y, ground: 0))
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
      structures.append(fence.placed(x: x, y: side * (edge + 0.6), ground: layout.kerbHeight))
    }
    let ends = (x - length / 2, x + length / 2)
    for _ in 0..<dice.poisson(length / 7) {
      let x = dice.uniform(ends.0, ends.1)
      let spot = Spot(x: x, y: side * (edge + dice.uniform(2, 14)))
      place(SceneObject.tree(&dice), at: spot, clearance: Self.smallClearance)
    }
    for _ in 0..<dice.poisson(length / 8) {
      let x = dice.uniform(ends.0, ends.1)
      let spot = Spot(x: x, y: side * (edge + dice.uniform(1.2, 12)))
      place(SceneObject.bush(&dice), at: spot, clearance: Self.smallClearance)
    }
  }

  /// A long house behind each side, or none.
  private mutating func addBackdrop(_ dice: inout SceneDice) {
    for side in [-1.0, 1] where dice.chance(0.5) {
      let (depth, height) = (8.0, dice.uniform(6, 16))
      let y = side * (layout.outerEdge + dice.uniform(25, 40) + depth / 2)
      structures.append(
        SceneObject.building(SIMD3(120, depth, height)).placed(x: 0, y: y, ground: 0)
      )
    }
  }
}
