/// What an answer is worth in training.
public protocol GroundingReward: Sendable {
  /// What logs call it.
  var name: String { get }

  /// The worth of an answer.
  ///
  /// - Returns: nil where the reward cannot judge, as a hit on a target that has no box.
  func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double?
}
