/// The ground of a simulated street: the road, its sidewalks and a crossing road.
///
/// The road lies along x on both sides of y = 0, its surface at z = 0; sidewalks and open ground
/// lie as high as the kerb.
public struct StreetLayout: Hashable, Sendable {
  /// A road that crosses at a right angle.
  public struct Crossing: Hashable, Sendable {
    /// Where its middle is along the road, in metres.
    public let centre: Double
    /// Half its width in metres.
    public let halfWidth: Double
  }

  /// Half the width of the road in metres.
  public let halfWidth: Double
  /// The width of each sidewalk in metres.
  public let sidewalkWidth: Double
  /// How far sidewalks and open ground lie above the road, in metres.
  public let kerbHeight: Double
  /// The road that crosses, if one does.
  public let crossing: Crossing?
  /// Whether cars may park along the road, so that its borders are parking ground.
  public let hasParking: Bool
  /// Where the sensor is across the road, in metres to the left of its middle.
  public let sensorOffset: Double

  package init(
    halfWidth: Double,
    sidewalkWidth: Double,
    kerbHeight: Double,
    crossing: Crossing? = nil,
    hasParking: Bool = false,
    sensorOffset: Double = 0
  ) {
    self.halfWidth = halfWidth
    self.sidewalkWidth = sidewalkWidth
    self.kerbHeight = kerbHeight
    self.crossing = crossing
    self.hasParking = hasParking
    self.sensorOffset = sensorOffset
  }

  /// The ground that the scene's dice make.
  init(_ dice: inout SceneDice) {
    let halfWidth = dice.choice([(3.5, 0.25), (4.5, 0.3), (6.5, 0.3), (8, 0.15)])
    let sidewalkWidth = dice.uniform(1.5, 4)
    let kerbHeight = dice.uniform(0.08, 0.18)
    let hasCrossing = dice.chance(0.45)
    let crossing = Crossing(centre: dice.uniform(-45, 45), halfWidth: dice.uniform(3, 5.5))
    let lane = halfWidth < 5 ? 0.5 : dice.chance(0.5) ? 0.25 : 0.5
    self.init(
      halfWidth: halfWidth,
      sidewalkWidth: sidewalkWidth,
      kerbHeight: kerbHeight,
      crossing: hasCrossing ? crossing : nil,
      hasParking: dice.chance(0.6),
      sensorOffset: -halfWidth * lane + dice.normal(0, 0.2)
    )
  }

  /// The distance from the road's middle to the outer edge of its sidewalks.
  var outerEdge: Double { halfWidth + sidewalkWidth }

  /// Whether x lies on the crossing road or nearer to it than `margin`.
  func isCrossing(_ x: Double, margin: Double = 0) -> Bool {
    crossing.map { abs(x - $0.centre) < $0.halfWidth + margin } ?? false
  }

  /// The height of the ground.
  func groundHeight(x: Double, y: Double) -> Double {
    abs(y) < halfWidth || isCrossing(x) ? 0 : kerbHeight
  }
}

extension StreetLayout.Crossing {
  package init(at centre: Double, halfWidth: Double) {
    self.init(centre: centre, halfWidth: halfWidth)
  }
}
