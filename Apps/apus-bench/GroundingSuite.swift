import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Tensor

extension Suite {
  /// The native policy: what responses and steps by rewards cost.
  static let grounding = Suite(
    name: "grounding",
    summary: "responses of a native grounding policy, steps of training by rewards"
  ) { run in
    try GroundingSuite(run: run).measure()
  }
}

/// A native policy on synthetic pages, beside the same network in torch.
struct GroundingSuite {
  let run: BenchRun

  private static let samples = 16
  private static let prompts = 16
  private static let responses = 8
  /// Steps of a run that is timed: beginning and end of a run cost a few milliseconds.
  private static let steps = 4

  func measure() throws {
    if run.startGroup("responses: reading a page and answering") {
      for side in [64, 256] { try measureResponses(side) }
    }
    if run.startGroup("training by rewards: rollout and update") { try measureSteps() }
  }

  private func policy(_ side: Int) -> NativeGroundingPolicy {
    var generator = Philox(seed: 1)
    let view = PixelSize(width: side, height: side)
    return NativeGroundingPolicy(NativePolicyConfiguration(view: view), using: &generator)
  }

  private func measureResponses(_ side: Int) throws {
    let policy = policy(side)
    policy.eval()
    var options = SyntheticPageOptions()
    options.side = max(side, 192)
    let page = SyntheticPage(index: 0, seed: 1, options: options)
    let request = GroundingRequest(image: page.image, instruction: page.instruction.text)
    let sampling = GroundingSampling(temperature: 1)
    try run.measure(
      BenchCase(
        name: "\(Self.samples) responses, view \(side)×\(side)",
        metric: .microseconds,
        peer: [
          "kind": "grounding", "name": "sample", "side": .integer(Int64(side)),
          "count": .integer(Int64(Self.samples)),
        ]
      ) {
        keep(try? policy.respond(to: request, count: Self.samples, options: sampling))
      }
    )
  }

  private func measureSteps() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "apus-bench-\(ProcessInfo.processInfo.globallyUniqueString)"
    ).path(percentEncoded: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let policy = policy(64)
    policy.train()
    let pages = GroundingExamples.synthetic(Self.prompts * Self.steps, seed: 2).cached()
    var options = ReinforcementOptions(steps: Self.steps, seed: 1)
    options.promptCount = Self.prompts
    options.settings.groupSize = Self.responses
    var count = 0
    try run.measure(
      BenchCase(
        name: "\(Self.prompts) pages × \(Self.responses) responses, \(Self.steps) steps",
        metric: .responses(Double(Self.prompts * Self.responses * Self.steps)),
        peer: [
          "kind": "grounding", "name": "step", "side": 64,
          "prompts": .integer(Int64(Self.prompts)), "count": .integer(Int64(Self.responses)),
          "steps": .integer(Int64(Self.steps)),
        ]
      ) {
        count += 1
        let training = ReinforcementTraining(
          at: "\(folder)/\(count)",
          of: policy,
          on: pages,
          options
        )
        keep(try? training.run())
      }
    )
  }
}
