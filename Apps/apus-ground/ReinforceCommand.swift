import ArgumentParser
import Autograd
import GUIGrounding
import Support

/// `rl`: stage 1.
struct ReinforceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rl",
    abstract: "Train a native policy by rewards alone, with GRPO (stage 1).",
    discussion: """
      Each step draws responses to some examples and rewards those that hit and those of the right \
      form: no box's centre and no reasoning is shown. All constants are choices of this program; \
      those of the paper are not published. Run the same command again to go on.

      EXAMPLES
        apus-ground rl --from sft --output rl
        apus-ground rl --from sft --group 16 --resampling 4 --reduction dapo --output dapo
      """
  )

  @Option(help: ArgumentHelp("The policy to begin with: its file or run.", valueName: "model"))
  var from: String
  @OptionGroup(title: "Run") var stage: StageArguments
  @Option(help: "The examples of a step.")
  var prompts = 16
  @Option(help: "The steps that use the same responses.")
  var updates = 1
  @Option(help: "How often examples without a learning signal are replaced (DAPO); 0 for never.")
  var resampling = 0
  @OptionGroup(title: "Rewards") var reward: RewardArguments
  @OptionGroup(title: "Examples") var data: DataArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...1 << 16).contains(prompts), (1...1000).contains(updates),
      (0...1000).contains(resampling)
    else { throw ValidationError("--prompts and --updates must be above 0") }
  }

  private var options: ReinforcementOptions {
    var options = ReinforcementOptions(steps: stage.steps ?? 200, seed: stage.seed)
    options.promptCount = prompts
    options.settings = reward.settings
    options.temperature = reward.temperature
    options.updatesPerRollout = updates
    options.maximumResampling = resampling
    if let rate = stage.learningRate { options.rate.peak = rate }
    return options
  }

  func run() throws {
    machine.apply()
    let policy = try NativeFile.readFloats(from)
    let description = data.description(pages: 6000, seed: 2)
    let examples = try description.load(needsTargets: true).judgedExamples()
    var options = options
    let rewards = reward.rewards
    let run = StageRun(
      stage: "rl",
      policy: policy.configuration,
      from: from,
      data: description,
      options: options,
      rewards: rewards.name
    )
    let folder = try StageFolder.claim(stage.output, for: run)
    options.checkpointInterval = stage.checkpointInterval
    options.evaluationInterval = stage.evaluationInterval
    policy.train()
    var training = ReinforcementTraining(
      at: stage.output,
      of: policy,
      on: examples,
      options,
      rewards: rewards
    )
    training.evaluation = try stage.evaluation(policy, beside: description)
    training.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("reinforcing", unit: "steps")
    defer { reporter.clear() }
    let report = try training.run { progress in
      reporter.update(
        completed: progress.step,
        total: progress.total,
        note: trainingNote(progress)
      )
    }
    reporter.clear()
    try folder.finish(policy, report, display)
  }
}
