import Autograd
import Foundation
@testable import GUIGrounding
import Tensor

/// A reward that depends on every token, so that even an untrained policy has something to learn.
struct TokenSumReward: GroundingReward {
  let name = "tokens"

  func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    Double((sample.tokens ?? []).reduce(0) { $0 + Int($1) } % 7)
  }
}

/// Synthetic pages whose targets are right within a large box around the element.
func largeTargets(_ count: Int, seed: UInt64, side: Double = 96) -> GroundingExamples {
  let pages = GroundingExamples.synthetic(count, seed: seed)
  return GroundingExamples(name: "large targets", count: count) { index in
    var example = try pages.example(index)
    let center = example.target.center ?? GroundingPoint(x: 0, y: 0)
    let x = min(max(center.x - side / 2, 0), 192 - side)
    let y = min(max(center.y - side / 2, 0), 192 - side)
    example.target = GroundingTarget(box: GroundingBox(x0: x, y0: y, x1: x + side, y1: y + side))
    return example
  }
}

/// Pages of few, large elements, which a small policy learns in seconds.
func easyPages(_ count: Int, seed: UInt64) -> GroundingExamples {
  let options = SyntheticPageOptions(elementCount: 3...5, elementSide: 24...40)
  return GroundingExamples.synthetic(count, seed: seed, options: options)
}

/// An untrained policy of the size of `warmPolicy()`.
func coldPolicy(seed: UInt64 = 1) -> NativeGroundingPolicy {
  var generator = Philox(seed: seed)
  let configuration = NativePolicyConfiguration(width: 32, blockCount: 1)
  return NativeGroundingPolicy(configuration, using: &generator)
}

/// The values of a small policy after a short warm start on 1600 easy pages.
let warmState: [String: Tensor<Float>] = {
  let policy = coldPolicy()
  let folder = FileManager.default.temporaryDirectory.path + "/apus-warm-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: folder) }
  var options = SupervisedTrainingOptions(steps: 100, seed: 1)
  options.batchSize = 16
  options.rate.peak = 5e-3
  do {
    try SupervisedTraining(
      at: folder,
      of: policy,
      on: easyPages(2000, seed: 1),
      options
    ).run()
  } catch { return [:] }
  return policy.state()
}()

/// A small policy after a short warm start.
func warmPolicy() throws -> NativeGroundingPolicy {
  let policy = coldPolicy()
  try policy.load(warmState)
  return policy
}

/// The losses of a run's log, step by step.
func loggedLosses(_ folder: String) throws -> [Int: Double] {
  let text = try String(contentsOfFile: folder + "/log.jsonl", encoding: .utf8)
  var losses: [Int: Double] = [:]
  for line in text.split(separator: "\n") {
    let record = try JSONDecoder().decode(LoggedStep.self, from: Data(line.utf8))
    losses[record.step] = record.metrics["loss"]
  }
  return losses
}

private struct LoggedStep: Decodable {
  var step: Int
  var metrics: [String: Double]
}

/// The error that ends a run in the middle of a step.
struct Killed: Error {}
