import Autograd
import Tensor

/// The responses to one example, and what they are worth.
struct ResponseGroup {
  /// The views that the responses are to, each to the same number of them.
  var views: [PromptView]
  /// G responses, those of a view side by side.
  var samples: [GroundingSample]
  /// Their tokens [G · T].
  var tokens: [Int32]
  /// The value of each reward for each response, NaN where it cannot judge.
  var terms: [String: [Double]] = [:]
  /// The weighted sums.
  var rewards: [Double]
  /// Whether each response hits.
  var hits: [Bool]

  /// The view of a response.
  func view(of response: Int) -> PromptView { views[response * views.count / samples.count] }

  /// The point of a response in pixels of the picture.
  func point(of response: Int) -> GroundingPoint? {
    samples[response].point.map { view(of: response).transform.toImage($0) }
  }

  /// Whether some responses hit and some do not: only then there is something to learn.
  var isMixed: Bool { hits.contains(true) && hits.contains(false) }
}

/// Draws responses and judges them.
struct ResponseCollector {
  let policy: NativeGroundingPolicy
  let rewards: WeightedRewards
  /// G, the responses to one example.
  let groupSize: Int
  let temperature: Double

  /// The responses to each example's views, and what the policy computed for them, on the tape where
  /// that records.
  ///
  /// Response k to view v takes its random numbers from `generator.fork(v).fork(k)`.
  func callAsFunction(
    _ examples: [[PromptView]],
    using generator: Philox
  ) throws -> (groups: [ResponseGroup], batch: PromptBatch, context: PolicyContext) {
    let batch = try PromptBatch(examples.flatMap { $0 }, for: policy)
    let context = batch.context(of: policy)
    let viewCount = examples.first?.count ?? 1
    let repeats = groupSize / viewCount
    let rollout = policy.rollOut(
      context,
      count: repeats,
      draw: TokenDraw(temperature: Float(temperature)),
      generators: batch.views.indices.flatMap { view in
        let stream = generator.fork(view)
        return (0..<repeats).map { stream.fork($0) }
      }
    )
    let length = rollout.tokens.shape[1] * groupSize
    let tokens = rollout.tokens.elements
    let groups = examples.indices.map { index in
      let samples = (0..<groupSize).map { response in
        let row = index * groupSize + response
        return policy.sample(
          rollout,
          row: row,
          in: batch.views[row / repeats].transform.view
        )
      }
      return judged(
        ResponseGroup(
          views: examples[index],
          samples: samples,
          tokens: Array(tokens[index * length..<(index + 1) * length]),
          rewards: [],
          hits: []
        )
      )
    }
    return (groups, batch, context)
  }

  private func judged(_ group: ResponseGroup) -> ResponseGroup {
    var group = group
    group.hits = group.samples.indices.map { response in
      let target = group.view(of: response).example.target
      return group.point(of: response).map { target.contains($0) } ?? false
    }
    group.rewards = group.samples.indices.map { response in
      let view = group.view(of: response)
      let worth = rewards.breakdown(
        group.samples[response],
        view.example.target,
        view: view.transform
      )
      for (term, value) in zip(rewards.terms, worth.terms) {
        group.terms[term.reward.name, default: []].append(value ?? .nan)
      }
      return worth.total ?? .nan
    }
    return group
  }
}

/// What the policy is improved by: groups of responses, ready for the loss.
struct PolicyExperience {
  let tokens: Tensor<Int32>
  let mask: Tensor<Bool>
  let advantages: GroupAdvantages
  /// When the responses were drawn; nil until it is needed.
  var oldLogProbabilities: Tensor<Float>?

  init(_ groups: [ResponseGroup], settings: GRPOSettings) {
    let tokens = groups.flatMap(\.tokens)
    let rows = groups.count * settings.groupSize
    self.init(
      tokens: Tensor(tokens, shape: [rows, tokens.count / max(rows, 1)]),
      advantages: GroupAdvantages(rewards: groups.flatMap(\.rewards), settings: settings)
    )
  }

  init(
    tokens: Tensor<Int32>,
    advantages: GroupAdvantages,
    oldLogProbabilities: Tensor<Float>? = nil
  ) {
    self.tokens = tokens
    self.advantages = advantages
    self.oldLogProbabilities = oldLogProbabilities
    mask = GRPOBatch.mask(of: tokens, endToken: GroundingVocabulary.end).mask
  }
}
