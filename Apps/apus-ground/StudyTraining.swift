import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Support
import Tensor

/// One row of a study for one seed: its training, which goes on where it was.
struct StudyTraining {
  let plan: StudyPlan
  let pages: StudyPages
  let row: StudyRow
  let seed: UInt64
  /// The folder of the study.
  let study: String

  /// The folder of the row.
  var folder: String { "\(study)/seed-\(seed)/\(row.rawValue)" }
  private var policyPath: String { folder + "/" + NativeFile.name }
  private var costPath: String { folder + "/cost.json" }

  /// What training took, of all sessions.
  struct Cost: Codable {
    var cpuSeconds = 0.0
  }

  func cost() -> Cost {
    let data = FileManager.default.contents(atPath: costPath)
    return data.flatMap { try? JSONDecoder().decode(Cost.self, from: $0) } ?? Cost()
  }

  /// The trained policy; trained now if it is not there.
  func policy(_ progress: @escaping (TrainingProgress) -> Void) throws -> NativeGroundingPolicy {
    if FileManager.default.fileExists(atPath: policyPath) {
      return try NativeFile.readFloats(folder)
    }
    let policy: NativeGroundingPolicy
    if let parent = row.parent {
      let before = StudyTraining(
        plan: plan,
        pages: pages,
        row: parent,
        seed: seed,
        study: study
      )
      policy = try before.policy(progress)
    } else {
      var generator = Philox(seed: seed).fork(0)
      policy = NativeGroundingPolicy(plan.policy, using: &generator)
    }
    try makeOutputFolder(folder)
    policy.train()
    let start = processSeconds()
    let report = try train(policy, progress)
    var cost = cost()
    cost.cpuSeconds += processSeconds() - start
    try AtomicFile.write(try jsonText(cost) + "\n", to: costPath)
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    policy.eval()
    try policy.write(to: policyPath)
    try AtomicFile.write(
      try StageFolder(path: folder).page().html(),
      to: folder + "/report.html"
    )
    return policy
  }

  private func train(
    _ policy: NativeGroundingPolicy,
    _ progress: @escaping (TrainingProgress) -> Void
  ) throws -> TrainingReport {
    switch row {
    case .warm, .sft: try supervise(policy, progress)
    case .rl: try reinforce(policy, progress)
    case .consistency, .consistencyOnly, .globalOnly: try consist(policy, progress)
    }
  }

  private func claim(
    _ policy: NativeGroundingPolicy,
    _ options: some Codable,
    rewards: String? = nil
  ) throws {
    let run = StageRun(
      stage: row.rawValue,
      policy: policy.configuration,
      from: row.parent?.rawValue,
      data: plan.description(of: row, seed: seed),
      options: options,
      rewards: rewards
    )
    try SettingsFile.claim(run, at: folder + "/" + StageFolder.runName, what: "run")
  }

  /// The control has the warm start's rate, and the steps and pages of the rewards.
  private func supervise(
    _ policy: NativeGroundingPolicy,
    _ progress: @escaping (TrainingProgress) -> Void
  ) throws -> TrainingReport {
    let isWarm = row == .warm
    var options = SupervisedTrainingOptions(
      steps: isWarm ? plan.warmSteps : plan.rewardSteps,
      seed: seed
    )
    options.batchSize = isWarm ? plan.warmBatch : plan.prompts
    try claim(policy, options)
    options.checkpointInterval = 50
    let pages = pages.training(of: row, seed: seed)
    var run = SupervisedTraining(at: folder, of: policy, on: pages, options)
    run.shouldStop = { Cancellation.isRequested }
    return try run.run(progress: progress)
  }

  private func reinforce(
    _ policy: NativeGroundingPolicy,
    _ progress: @escaping (TrainingProgress) -> Void
  ) throws -> TrainingReport {
    var options = ReinforcementOptions(steps: plan.rewardSteps, seed: seed)
    options.promptCount = plan.prompts
    let rewards = WeightedRewards.reguide()
    try claim(policy, options, rewards: rewards.name)
    options.checkpointInterval = 50
    let pages = pages.training(of: row, seed: seed)
    var run = ReinforcementTraining(at: folder, of: policy, on: pages, options, rewards: rewards)
    run.shouldStop = { Cancellation.isRequested }
    return try run.run(progress: progress)
  }

  private func consist(
    _ policy: NativeGroundingPolicy,
    _ progress: @escaping (TrainingProgress) -> Void
  ) throws -> TrainingReport {
    var options = ConsistencyOptions(steps: plan.consistencySteps, seed: seed)
    options.promptCount = plan.prompts
    options.showsLocalViews = row != .globalOnly
    try claim(policy, options)
    options.checkpointInterval = 50
    let pages = pages.training(of: row, seed: seed)
    var run = ConsistencyTraining(at: folder, of: policy, on: pages, options)
    run.shouldStop = { Cancellation.isRequested }
    guard let report = try run.run(progress: progress) else {
      throw CommandFailure("the second stage is off")
    }
    return report
  }
}
