import Autograd
import Tensor

/// How often a policy is right.
public struct PolicyAccuracy: Codable, Hashable, Sendable {
  /// The examples that were asked.
  public var count = 0
  /// The share whose likeliest response hits.
  public var greedy = 0.0
  /// The share of responses at temperature 1 that hit; nil where none were drawn.
  public var sampled: Double?
  /// The share of likeliest responses of the right form.
  public var format = 0.0

  /// Nothing yet.
  public init() {}

  /// The numbers by name, as a training run logs them.
  public var metrics: [String: Double] {
    var metrics = ["greedy accuracy": greedy, "greedy format": format]
    metrics["accuracy of samples"] = sampled
    return metrics
  }
}

extension NativeGroundingPolicy {
  /// Measures how often the policy is right.
  ///
  /// - Parameters:
  ///   - examples: what is asked.
  ///   - samples: the responses that are drawn beside the likeliest one; 0 for none.
  ///   - seed: the seed of these, and of the crops.
  ///   - crop: shows a part of each picture that holds the target; nil shows all of it.
  /// - Returns: the shares.
  /// - Throws: `NativePolicyError`, or what an example throws.
  public func accuracy(
    on examples: GroundingExamples,
    samples: Int = 0,
    seed: UInt64 = 0,
    crop: ConsistencyCrop? = nil
  ) throws -> PolicyAccuracy {
    try withoutGradients {
      var result = PolicyAccuracy()
      var (greedy, format, sampled) = (0, 0, 0)
      let size = 32
      for start in stride(from: 0, to: examples.count, by: size) {
        let indices = start..<min(start + size, examples.count)
        let batch = try PromptBatch(
          try indices.map { try view(examples.example($0), $0, seed, crop) },
          for: self
        )
        let context = batch.context(of: self)
        let best = rollOut(context, count: 1, draw: .greedy, generators: [])
        let generators = indices.flatMap { index in
          let stream = Philox(seed: seed).fork(index)
          return (0..<samples).map { stream.fork($0) }
        }
        let drawn =
          samples > 0 ? rollOut(context, count: samples, generators: generators) : nil
        for (place, view) in batch.views.enumerated() {
          let sample = sample(best, row: place, in: view.transform.view)
          greedy += isHit(sample, view) ? 1 : 0
          format += sample.formatOK ? 1 : 0
          guard let drawn else { continue }
          for row in place * samples..<(place + 1) * samples {
            sampled += isHit(self.sample(drawn, row: row, in: view.transform.view), view) ? 1 : 0
          }
        }
      }
      let count = Double(max(examples.count, 1))
      result.count = examples.count
      result.greedy = Double(greedy) / count
      result.format = Double(format) / count
      result.sampled = samples > 0 ? Double(sampled) / (count * Double(samples)) : nil
      return result
    }
  }

  private func view(
    _ example: GroundingExample,
    _ index: Int,
    _ seed: UInt64,
    _ crop: ConsistencyCrop?
  ) -> PromptView {
    guard let crop, let box = example.target.boundingBox else {
      return PromptView(example, for: self)
    }
    var generator = Philox(seed: seed).fork(index).fork(-1)
    let rect = crop(around: box, in: example.image.size, using: &generator)
    return PromptView(example, crop: rect, for: self)
  }

  private func isHit(_ sample: GroundingSample, _ view: PromptView) -> Bool {
    sample.point.map { view.example.target.contains(view.transform.toImage($0)) } ?? false
  }
}
