import Checkpoints
import GUIGrounding
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test func answersAreParsed() throws {
    let cases = try JSONValue.cases("answer-parsing.json")
    try #require(!cases.isEmpty)
    for example in cases {
      let text = try example.string("text")
      let parsed = AnswerParser().parse(text)
      #expect(try parsed.formatOK == example.bool("format_ok"), "\(example)")
      #expect(parsed.kind?.rawValue == example["kind"]?.stringValue, "\(example)")
      expectClose(parsed.point, try optional(example["point"])?.point(), "\(example)")
      expectClose(parsed.box, try optional(example["box"])?.box(), "\(example)")
      let space = try #require(CoordinateSpace(rawValue: example.string("space")))
      let (view, image) = (try example.size("view"), try example.size("image"))
      let convention = CoordinateConvention(space)
      let point = parsed.point.map { convention.toSource($0, view: view, source: image) }
      expectClose(point, try optional(example["image_point"])?.point(), "\(example)")
      // The same by way of the view, which is how a policy answers.
      let sample = parsed.sample(text: text, convention: convention, view: view, source: image)
      let transform = ViewTransform(imageSize: image, view: view)
      expectClose(sample.point.map(transform.toImage), point, "\(example)")
    }
  }

  @Test func rewardsAreThose() throws {
    let cases = try JSONValue.cases("reward.json")
    try #require(!cases.isEmpty)
    for example in cases {
      let text = try example.string("text")
      let space = try #require(CoordinateSpace(rawValue: example.string("space")))
      let (view, image) = (try example.size("view"), try example.size("image"))
      let sample = AnswerParser().parse(text).sample(
        text: text,
        convention: CoordinateConvention(space),
        view: view,
        source: image
      )
      let transform = ViewTransform(imageSize: image, view: view)
      let target = GroundingTarget(box: try #require(example["box"]).box())
      let point = sample.point.map(transform.toImage)
      expectClose(point, try optional(example["point"])?.point(), "\(example)")
      #expect(try sample.formatOK == example.bool("format_ok"), "\(example)")
      let hit = HitReward().score(sample, target, view: transform)
      #expect(try hit == (example.bool("hit") ? 1 : 0), "\(example)")
      let rewards = WeightedRewards.reguide(formatWeight: try example.double("lambda_format"))
      let reward = try #require(rewards.score(sample, target, view: transform))
      expectClose([reward], [try example.double("reward")], absolute: 1e-9, "\(example)")
    }
  }

  private func optional(_ value: JSONValue?) -> JSONValue? {
    guard let value, !value.isNull else { return nil }
    return value
  }
}
