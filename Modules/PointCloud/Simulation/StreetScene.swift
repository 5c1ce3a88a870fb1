import Tensor

/// A street with traffic, people and houses: what a simulated sensor sees.
///
/// One seed makes the road, the crossing road, parked and moving vehicles, pedestrians, poles,
/// signs, trees, fences and houses; the same seed makes the same street for every sensor. Each rule
/// draws from a generator of its own.
///
///     let scene = StreetScene(seed: 1000)
///     let scan = LidarSimulator(model: .vlp16).scan(scene, seed: 1)
public struct StreetScene: Sendable {
  /// The ground.
  public let layout: StreetLayout
  /// Everything that stands on it.
  public let objects: [SceneObject]

  /// The street of a seed.
  public init(seed: UInt64) {
    let generator = Philox(seed: seed)
    var dice = SceneDice(generator.fork(0))
    var builder = StreetBuilder(layout: StreetLayout(&dice))
    for (index, rule) in StreetBuilder.rules.enumerated() {
      var dice = SceneDice(generator.fork(index + 1))
      rule(&builder, &dice)
    }
    self.init(layout: builder.layout, objects: builder.objects + builder.structures)
  }

  /// A street of these things; nothing is checked.
  package init(layout: StreetLayout, objects: [SceneObject]) {
    self.layout = layout
    self.objects = objects
  }
}
