import ArgumentParser
import Autograd
import GUIGrounding
import Support

/// `consist`: stage 2.
struct ConsistCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consist",
    abstract: "Train a native policy to answer the same in crops (stage 2).",
    discussion: """
      pairedSFT: examples of which one of K responses hits are shown whole and as a crop, with the \
      centre of the element as the answer of both. jointReward: groups of responses to both views, \
      with a bonus where they agree. Run the same command again to go on.

      EXAMPLES
        apus-ground consist --from rl --output consist
        apus-ground consist --from rl --mode jointReward --output joint
        apus-ground consist --from rl --no-crops --output control
      """
  )

  @Option(help: ArgumentHelp("The policy to begin with: its file or run.", valueName: "model"))
  var from: String
  @OptionGroup(title: "Run") var stage: StageArguments
  @Option(help: "How views are brought to agree: pairedSFT or jointReward.")
  var mode = ConsistencyMode.pairedSFT
  @Option(help: "The examples of a step.")
  var prompts = 16
  @Option(help: "K, the responses of which one must hit; pairedSFT alone.")
  var candidates = 4
  @Option(help: "The least share of the sides that a crop has.")
  var leastCrop = 0.375
  @Option(help: "The largest share of the sides that a crop has.")
  var largestCrop = 0.78125
  @Flag(inversion: .prefixedNo, help: "Show crops; without them a control.")
  var crops = true
  @Option(help: "The bonus of a response that agrees with the other view; jointReward alone.")
  var bonus = 0.5
  @Option(help: "How near is agreement, in shares of the longer side; jointReward alone.")
  var radius = 0.04
  @OptionGroup(title: "Rewards of jointReward") var reward: RewardArguments
  @OptionGroup(title: "Examples") var data: DataArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard mode != .off else { throw ValidationError("--mode off trains nothing") }
    guard (1...1 << 16).contains(prompts), (1...1024).contains(candidates) else {
      throw ValidationError("--prompts and --candidates must be above 0")
    }
    if let flaw = options.flaw { throw ValidationError("\(flaw)") }
  }

  private var options: ConsistencyOptions {
    var options = ConsistencyOptions(mode: mode, steps: stage.steps ?? 150, seed: stage.seed)
    options.promptCount = prompts
    options.candidates = candidates
    options.crop = ConsistencyCrop(least: leastCrop, largest: largestCrop)
    options.showsLocalViews = crops
    options.temperature = reward.temperature
    options.settings = reward.settings
    options.agreementBonus = bonus
    options.agreementRadius = radius
    if let rate = stage.learningRate { options.rate.peak = rate }
    return options
  }

  func run() throws {
    machine.apply()
    let policy = try NativeFile.readFloats(from)
    let description = data.description(pages: 6000, seed: 3)
    let examples = try description.load(needsTargets: true).judgedExamples()
    var options = options
    let run = StageRun(
      stage: "consist",
      policy: policy.configuration,
      from: from,
      data: description,
      options: options,
      rewards: mode == .jointReward ? reward.rewards.name : nil
    )
    let folder = try StageFolder.claim(stage.output, for: run)
    options.checkpointInterval = stage.checkpointInterval
    options.evaluationInterval = stage.evaluationInterval
    policy.train()
    var training = ConsistencyTraining(at: stage.output, of: policy, on: examples, options)
    training.rewards = reward.rewards
    training.evaluation = try stage.evaluation(policy, beside: description)
    training.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("criticising", unit: "steps")
    defer { reporter.clear() }
    let report = try training.run { progress in
      reporter.update(
        completed: progress.step,
        total: progress.total,
        note: trainingNote(progress)
      )
    }
    reporter.clear()
    guard let report else { throw CommandFailure("the mode \(mode.rawValue) trains nothing") }
    try folder.finish(policy, report, display)
  }
}
