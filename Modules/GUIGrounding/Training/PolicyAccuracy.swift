import Autograd
import Tensor

/// How often a policy is right.
///
/// Hits are shares of the examples that a click can be judged by: a point without a radius is none.
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
      var counts = AccuracyCounts()
      let size = 32
      for start in stride(from: 0, to: examples.count, by: size) {
        let indices = start..<min(start + size, examples.count)
        let views = try indices.map { try view(examples.example($0), $0, seed, crop) }
        let batch = try PromptBatch(views, for: self)
        let generators = indices.flatMap { index in
          let stream = Philox(seed: seed).fork(index)
          return (0..<samples).map { stream.fork($0) }
        }
        count(batch, samples, generators, &counts)
      }
      return PolicyAccuracy(counts, examples: examples.count, samples: samples)
    }
  }

  private func count(
    _ batch: PromptBatch,
    _ samples: Int,
    _ generators: [Philox],
    _ counts: inout AccuracyCounts
  ) {
    let context = batch.context(of: self)
    let best = rollOut(context, count: 1, draw: .greedy, generators: [])
    for (row, view) in batch.views.enumerated() {
      let sample = sample(best, row: row, in: view.transform.view)
      counts.judged += view.example.target.isScorable ? 1 : 0
      counts.greedy += isHit(sample, view) ? 1 : 0
      counts.format += sample.formatOK ? 1 : 0
    }
    guard samples > 0 else { return }
    let drawn = rollOut(context, count: samples, generators: generators)
    for row in generators.indices {
      let view = batch.views[row / samples]
      let sample = sample(drawn, row: row, in: view.transform.view)
      counts.sampled += isHit(sample, view) ? 1 : 0
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

/// Hits and well-formed responses so far.
private struct AccuracyCounts {
  /// The examples that can be hit.
  var judged = 0
  var greedy = 0
  var format = 0
  var sampled = 0
}

extension PolicyAccuracy {
  fileprivate init(_ counts: AccuracyCounts, examples: Int, samples: Int) {
    let judged = Double(max(counts.judged, 1))
    count = examples
    greedy = Double(counts.greedy) / judged
    format = Double(counts.format) / Double(max(examples, 1))
    sampled = samples > 0 ? Double(counts.sampled) / (judged * Double(samples)) : nil
  }
}
