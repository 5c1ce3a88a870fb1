import Autograd
import Tensor

/// The steps of a run whose groups have two views each, with a bonus where these agree.
struct JointRewardSteps {
  private let training: ConsistencyTraining
  private let policy: NativeGroundingPolicy
  private let collector: ResponseCollector
  private let improvement: PolicyImprovement

  init(_ training: ConsistencyTraining) {
    self.training = training
    policy = training.policy
    let options = ReinforcementOptions(training.options)
    var settings = options.settings(for: policy)
    settings.beta = 0
    collector = ResponseCollector(
      policy: policy,
      rewards: training.rewards,
      groupSize: settings.groupSize,
      temperature: options.temperature
    )
    improvement = PolicyImprovement(
      policy: policy,
      reference: nil,
      settings: settings,
      temperature: options.temperature
    )
  }

  /// The loss of a step.
  func loss(_ indices: [Int], _ step: inout TrainingStep) throws -> Variable {
    var generator = step.generator.fork(-1)
    let views = try indices.map { index in
      let example = try training.examples.example(index)
      let crop = training.crop(example, using: &generator)
      return [
        PromptView(example, for: policy), PromptView(example, crop: crop, for: policy),
      ]
    }
    var (groups, batch, context) = try collector(views, using: step.generator.fork(0))
    let agreements = groups.indices.map { addBonus(to: &groups[$0]) }
    let responses = Float(groups.count * improvement.settings.groupSize)
    step.measure("agreement", Float(agreements.reduce(0, +)) / responses)
    var experience = PolicyExperience(groups, settings: improvement.settings)
    let (loss, metrics) = improvement.loss(
      &experience,
      batch: batch,
      context: context,
      keepsOld: false
    )
    step.measure(groups, experience.advantages)
    step.measure(metrics)
    return loss
  }

  /// Adds μ to every response whose point lies near the middle of the other view's hits.
  ///
  /// - Returns: how many there are.
  private func addBonus(to group: inout ResponseGroup) -> Int {
    let half = group.samples.count / 2
    let size = group.views[0].example.image.size
    let radius = training.options.agreementRadius * Double(size.longerSide)
    let middles = [0..<half, half..<group.samples.count].map { middle(of: group, $0) }
    var count = 0
    for response in group.samples.indices {
      guard let middle = middles[response < half ? 1 : 0],
        let point = group.point(of: response), point.distance(to: middle) <= radius
      else { continue }
      group.rewards[response] += training.options.agreementBonus
      count += 1
    }
    return count
  }

  /// The mean of the points that hit, in pixels of the picture.
  private func middle(of group: ResponseGroup, _ responses: Range<Int>) -> GroundingPoint? {
    let points = responses.filter { group.hits[$0] }.compactMap { group.point(of: $0) }
    guard !points.isEmpty else { return nil }
    let count = Double(points.count)
    return GroundingPoint(
      x: points.reduce(0) { $0 + $1.x } / count,
      y: points.reduce(0) { $0 + $1.y } / count
    )
  }
}
