import Foundation

// The measures of the street's objects. Boxes stand on the height that is given for them.
//
// Choice: a height "at z" is that of a part's bottom, since seats, handlebars and riders then lie
// where those of real ones do; what has no measure below has that of its neighbours.

extension SceneObject {
  /// A vehicle of this kind; for anything else than a vehicle, a car.
  static func vehicle(_ kind: Kind, _ dice: inout SceneDice) -> SceneObject {
    switch kind {
    case .van: van(&dice)
    case .truck: truck(&dice)
    case .bus: bus(&dice)
    case .motorcycle: motorcycle()
    case .bicycle: bicycle()
    case .cyclist: cyclist()
    case .car, .pedestrian, .pole, .sign, .tree, .bush, .building, .fence: car(&dice)
    }
  }

  /// A body and a cabin.
  static func car(_ dice: inout SceneDice) -> SceneObject {
    let (length, width) = (dice.normal(4.3, 0.35), dice.normal(1.78, 0.07))
    let height = dice.normal(1.5, 0.1)
    let (bottom, body) = (0.22, 0.42 * height)
    let cabin = SIMD3(0.55 * length, 0.88 * width, height - bottom - body)
    return SceneObject(
      .car,
      radius: hypot(length, width) / 2,
      parts: [
        .box(SIMD3(length, width, body), foot: SIMD3(0, 0, bottom), .car),
        .box(cabin, foot: SIMD3(-0.05 * length, 0, bottom + body), .car),
      ]
    )
  }

  /// A box with a bonnet before it.
  static func van(_ dice: inout SceneDice) -> SceneObject {
    let (length, height) = (dice.normal(5.4, 0.4), dice.normal(2.3, 0.2))
    let (width, bottom) = (2.0, 0.25)
    let box = SIMD3(0.84 * length, width, height - bottom)
    let bonnet = SIMD3(0.16 * length, width, 0.45 * height - bottom)
    return SceneObject(
      .van,
      radius: hypot(length, width) / 2,
      parts: [
        .box(box, foot: SIMD3(-0.08 * length, 0, bottom), .van),
        .box(bonnet, foot: SIMD3(0.42 * length, 0, bottom), .van),
      ]
    )
  }

  /// A cab and the cargo behind it.
  static func truck(_ dice: inout SceneDice) -> SceneObject {
    let (length, height) = (dice.normal(8, 1.3), dice.normal(3.3, 0.25))
    let (width, cab, bottom, bed) = (2.45, 2.0, 0.4, 0.95)
    let cargo = SIMD3(length - 2.5, width, height - bed)
    return SceneObject(
      .truck,
      radius: hypot(length, width) / 2,
      parts: [
        .box(
          SIMD3(cab, width, 0.72 * height - bottom),
          foot: SIMD3((length - cab) / 2, 0, bottom),
          .truck
        ),
        .box(cargo, foot: SIMD3(-1.25, 0, bed), .truck),
      ]
    )
  }

  /// One long box.
  static func bus(_ dice: inout SceneDice) -> SceneObject {
    let (length, width, bottom) = (dice.normal(11.5, 0.6), 2.55, 0.35)
    let size = SIMD3(length, width, dice.normal(3.1, 0.15) - bottom)
    return SceneObject(
      .bus,
      radius: hypot(length, width) / 2,
      parts: [.box(size, foot: SIMD3(0, 0, bottom), .bus)]
    )
  }

  /// Frame, seat and handlebar.
  static func motorcycle() -> SceneObject {
    SceneObject(
      .motorcycle,
      radius: 1,
      parts: [
        .box(SIMD3(2, 0.28, 0.75), foot: .zero, .motorcycle, stops: 0.85),
        .box(SIMD3(0.8, 0.38, 0.35), foot: SIMD3(0, 0, 0.65), .motorcycle, stops: 0.95),
        .box(SIMD3(0.15, 0.75, 0.25), foot: SIMD3(0.65, 0, 0.85), .motorcycle, stops: 0.7),
      ]
    )
  }

  /// Frame, handlebar and saddle.
  static func bicycle() -> SceneObject {
    SceneObject(
      .bicycle,
      radius: 0.85,
      parts: [
        .box(SIMD3(1.7, 0.1, 0.7), foot: .zero, .bicycle, stops: 0.55),
        .box(SIMD3(0.1, 0.5, 0.15), foot: SIMD3(0.55, 0, 0.85), .bicycle, stops: 0.7),
        .box(SIMD3(0.25, 0.15, 0.15), foot: SIMD3(-0.3, 0, 0.8), .bicycle, stops: 0.7),
      ]
    )
  }

  /// A bicycle with somebody on it: all of it is the rider's class.
  static func cyclist() -> SceneObject {
    SceneObject(
      .cyclist,
      radius: 0.85,
      parts: [
        .box(SIMD3(1.7, 0.1, 0.75), foot: .zero, .cyclist, stops: 0.55),
        .box(SIMD3(0.1, 0.5, 0.15), foot: SIMD3(0.55, 0, 0.85), .cyclist, stops: 0.7),
        .cylinder(radius: 0.22, bottom: 0.8, height: 0.65, .cyclist),
        .ellipsoid(headRadii, height: 1.45 + headRadii.z, .cyclist),
      ]
    )
  }

  /// Legs, torso and head.
  static func pedestrian(_ dice: inout SceneDice) -> SceneObject {
    let height = dice.normal(1.72, 0.1)
    return SceneObject(
      .pedestrian,
      radius: 0.25,
      parts: [
        .cylinder(radius: 0.14, height: 0.48 * height, .person, stops: 0.95),
        .cylinder(radius: 0.22, bottom: 0.45 * height, height: 0.38 * height, .person),
        .ellipsoid(headRadii, height: height - headRadii.z, .person),
      ]
    )
  }

  private static let headRadii = SIMD3(0.11, 0.11, 0.14)
}

extension SceneObject {
  /// A lamp post.
  static func pole(_ dice: inout SceneDice) -> SceneObject {
    let radius = dice.uniform(0.07, 0.16)
    return SceneObject(
      .pole,
      radius: radius,
      parts: [.cylinder(radius: radius, height: dice.uniform(5, 9), .pole)]
    )
  }

  /// A traffic sign that faces along the road.
  static func sign(_ dice: inout SceneDice) -> SceneObject {
    let side = dice.uniform(0.4, 0.8)
    return SceneObject(
      .sign,
      radius: side / 2,
      parts: [
        .cylinder(radius: 0.04, height: 2.6, .pole),
        .box(SIMD3(0.05, side, side), foot: SIMD3(0, 0, 2.1), .sign),
      ]
    )
  }

  /// A trunk and a crown.
  static func tree(_ dice: inout SceneDice) -> SceneObject {
    let (radius, height) = (dice.uniform(0.12, 0.3), dice.uniform(1.8, 4))
    let a = dice.uniform(1.2, 3.2)
    let radii = SIMD3(a, a * dice.uniform(0.8, 1.2), a * dice.uniform(0.8, 1.3))
    let rate = dice.uniform(0.8, 2)
    return SceneObject(
      .tree,
      radius: max(radii.x, radii.y),
      parts: [
        .cylinder(radius: radius, height: height, .trunk),
        .ellipsoid(radii, height: height + 0.5 * a, .vegetation, rate: rate),
      ]
    )
  }

  /// Foliage on the ground.
  static func bush(_ dice: inout SceneDice) -> SceneObject {
    let radii = SIMD3(dice.uniform(0.5, 1.6), dice.uniform(0.5, 1.6), dice.uniform(0.4, 1))
    return SceneObject(
      .bush,
      radius: max(radii.x, radii.y),
      parts: [.ellipsoid(radii, height: radii.z, .vegetation, rate: 3)]
    )
  }

  /// A house of this length, depth and height; its middle is the object's.
  static func building(_ size: SIMD3<Double>) -> SceneObject {
    SceneObject(
      .building,
      radius: hypot(size.x, size.y) / 2,
      parts: [.box(size, foot: .zero, .building)]
    )
  }

  /// A fence along the road.
  ///
  /// Choice: of a porosity of .75 three quarters are void, so it stops a quarter of the rays. Were
  /// it the other way round, fences would be 4 % of an HDL-64E's points, not 2 %.
  static func fence(length: Double, height: Double) -> SceneObject {
    SceneObject(
      .fence,
      radius: length / 2,
      parts: [.box(SIMD3(length, 0.12, height), foot: .zero, .fence, stops: 0.25)]
    )
  }
}
