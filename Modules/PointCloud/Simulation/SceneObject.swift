import Foundation

/// An object of a simulated street: a car, a tree, a house, as boxes, cylinders and ellipsoids.
public struct SceneObject: Hashable, Sendable {
  /// What an object is.
  public enum Kind: String, CaseIterable, Codable, Hashable, Sendable {
    case car
    case van
    case truck
    case bus
    case motorcycle
    case bicycle
    case cyclist
    case pedestrian
    case pole
    case sign
    case tree
    case bush
    case building
    case fence
  }

  /// What it is.
  public let kind: Kind
  /// The place of its middle along the road, in metres ahead of the sensor.
  public internal(set) var x = 0.0
  /// The place of its middle across the road, in metres to the left of the road's middle.
  public internal(set) var y = 0.0
  /// The direction of its front in radians, counterclockwise from the road's.
  public internal(set) var yaw = 0.0
  /// The radius of the circle that no other object may enter, in metres.
  public let radius: Double
  /// What rays meet, in world coordinates.
  package private(set) var parts: [ScenePart]

  /// An object in the origin that faces along the road.
  package init(_ kind: Kind, radius: Double, parts: [ScenePart]) {
    self.kind = kind
    self.radius = radius
    self.parts = parts
  }

  /// The object turned about its middle and put on the ground of this height.
  func placed(x: Double, y: Double, ground: Double, yaw: Double = 0) -> SceneObject {
    var object = self
    (object.x, object.y, object.yaw) = (self.x + x, self.y + y, self.yaw + yaw)
    let (cosine, sine) = (cos(yaw), sin(yaw))
    for index in parts.indices {
      let centre = parts[index].centre
      object.parts[index].centre = SIMD3(
        x + cosine * centre.x - sine * centre.y,
        y + sine * centre.x + cosine * centre.y,
        ground + centre.z
      )
      object.parts[index].yaw += yaw
    }
    return object
  }
}

/// A simple body that rays meet: what objects are made of.
package struct ScenePart: Hashable, Sendable {
  /// Its form; the half extents say how large.
  package enum Form: Hashable, Sendable {
    /// A box that is turned about the vertical.
    case box
    /// The side of an upright cylinder, without its ends: half extents (radius, radius, height/2).
    case cylinder
    /// The surface of an ellipsoid, of these radii.
    case ellipsoid
    /// Leaves that fill an ellipsoid: a ray gets as deep as an exponential number of this rate
    /// (per metre) says, or through.
    case volume(rate: Double)
  }

  package var form: Form
  /// The middle.
  package var centre: SIMD3<Double>
  /// Half the extent along each of its axes.
  package var halfExtents: SIMD3<Double>
  /// The turn about the vertical, in radians.
  package var yaw: Double
  /// The raw SemanticKITTI id of its points.
  package var label: Int32
  /// The share of light that it sends back.
  package var reflectance: Double
  /// The probability that a ray which meets it is stopped.
  package var stopProbability: Double

  package init(
    _ form: Form,
    centre: SIMD3<Double>,
    halfExtents: SIMD3<Double>,
    yaw: Double = 0,
    surface: SceneSurface,
    stopProbability: Double = 1
  ) {
    self.form = form
    self.centre = centre
    self.halfExtents = halfExtents
    self.yaw = yaw
    self.label = surface.label
    self.reflectance = surface.reflectance
    self.stopProbability = stopProbability
  }

  /// A box of this length, width and height whose bottom's middle is `foot`.
  static func box(
    _ size: SIMD3<Double>,
    foot: SIMD3<Double>,
    _ surface: SceneSurface,
    stops probability: Double = 1
  ) -> ScenePart {
    ScenePart(
      .box,
      centre: foot + SIMD3(0, 0, size.z / 2),
      halfExtents: size / 2,
      surface: surface,
      stopProbability: probability
    )
  }

  /// The side of an upright cylinder above `bottom` in the object's axis.
  static func cylinder(
    radius: Double,
    bottom: Double = 0,
    height: Double,
    _ surface: SceneSurface,
    stops probability: Double = 1
  ) -> ScenePart {
    ScenePart(
      .cylinder,
      centre: SIMD3(0, 0, bottom + height / 2),
      halfExtents: SIMD3(radius, radius, height / 2),
      surface: surface,
      stopProbability: probability
    )
  }

  /// An ellipsoid whose middle is `height` above the object's foot; with a rate it is foliage.
  static func ellipsoid(
    _ radii: SIMD3<Double>,
    height: Double,
    _ surface: SceneSurface,
    rate: Double? = nil
  ) -> ScenePart {
    ScenePart(
      rate.map { .volume(rate: $0) } ?? .ellipsoid,
      centre: SIMD3(0, 0, height),
      halfExtents: radii,
      surface: surface
    )
  }
}

/// What a surface is, and how much light it sends back.
package struct SceneSurface: Hashable, Sendable {
  /// The raw SemanticKITTI id.
  package let label: Int32
  /// The share of light that it sends back.
  package let reflectance: Double

  package init(label: Int32, reflectance: Double) {
    self.label = label
    self.reflectance = reflectance
  }

  static let car = SceneSurface(label: 10, reflectance: 0.35)
  static let bicycle = SceneSurface(label: 11, reflectance: 0.25)
  static let bus = SceneSurface(label: 13, reflectance: 0.4)
  static let motorcycle = SceneSurface(label: 15, reflectance: 0.25)
  static let truck = SceneSurface(label: 18, reflectance: 0.45)
  static let van = SceneSurface(label: 20, reflectance: 0.4)
  static let person = SceneSurface(label: 30, reflectance: 0.3)
  static let cyclist = SceneSurface(label: 31, reflectance: 0.3)
  static let road = SceneSurface(label: 40, reflectance: 0.13)
  static let parking = SceneSurface(label: 44, reflectance: 0.15)
  static let sidewalk = SceneSurface(label: 48, reflectance: 0.28)
  static let building = SceneSurface(label: 50, reflectance: 0.45)
  static let fence = SceneSurface(label: 51, reflectance: 0.4)
  static let vegetation = SceneSurface(label: 70, reflectance: 0.4)
  static let trunk = SceneSurface(label: 71, reflectance: 0.25)
  static let terrain = SceneSurface(label: 72, reflectance: 0.3)
  static let pole = SceneSurface(label: 80, reflectance: 0.5)
  static let sign = SceneSurface(label: 81, reflectance: 0.9)
}
