import ArgumentParser
import Autograd
import GUIGrounding
import Support
import Tensor

/// How a policy reads instructions.
enum InstructionReading: String, ExpressibleByArgument, CaseIterable {
  case words
  case bytes
}

/// What a new policy is made of.
struct NewPolicyArguments: ParsableArguments {
  @Option(help: "The width of everything behind the first convolutions.")
  var width = 64
  @Option(help: "The blocks of the decoder.")
  var blocks = 2
  @Option(help: "The view that the policy sees.")
  var view = PixelSize(width: 64, height: 64)
  @Option(help: "Instructions as a colour and a shape (words), or as any text (bytes).")
  var instruction = InstructionReading.words
  @Flag(
    inversion: .prefixedNo,
    help: "Think before the answer; without it a row of the ablation."
  )
  var thinking = true

  /// The configuration, if one can be made.
  func configuration() throws -> NativePolicyConfiguration {
    var configuration = NativePolicyConfiguration(
      width: width,
      blockCount: blocks,
      view: view,
      instruction: instruction == .words ? .words : .bytes()
    )
    if !thinking { configuration.vocabulary.thinking = .none }
    if let flaw = configuration.flaw { throw CommandFailure("the policy cannot be: \(flaw)") }
    return configuration
  }
}

/// `sft`: stage 0.
struct SupervisedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sft",
    abstract: "Warm up a native policy on the centres of targets (stage 0).",
    discussion: """
      Stands in for the pre-trained model that ReGUIDE starts from: keep it short. The output is a \
      folder: run.json (settings), log.jsonl, checkpoints, report.html, report.json and, at the end, \
      policy.safetensors. Run the same command again to go on after an interruption.

      EXAMPLES
        apus-ground sft --output sft
        apus-ground sft --pages 50000 --steps 3000 --width 128 --blocks 3 --view 128x128 \\
          --page-side 384 --output large
        apus-ground sft --data pages --split train --instruction bytes --steps 2000 --output real
        apus-ground sft --from sft --pages 3200 --page-seed 2 --output control
      """
  )

  @OptionGroup(title: "Run") var stage: StageArguments
  @Option(help: "The examples of a step.")
  var batch = 32
  @Option(
    help: ArgumentHelp(
      "Go on from a policy: its file or run. (default: random)",
      valueName: "model"
    )
  )
  var from: String?
  @OptionGroup(title: "Examples") var data: DataArguments
  @OptionGroup(title: "New policy") var new: NewPolicyArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...1 << 16).contains(batch) else { throw ValidationError("--batch must be above 0") }
  }

  func run() throws {
    machine.apply()
    var generator = Philox(seed: stage.seed).fork(0)
    let policy =
      if let from { try NativeFile.readFloats(from) } else {
        NativeGroundingPolicy(try new.configuration(), using: &generator)
      }
    let description = data.description(pages: 1500, seed: 1)
    let examples = try description.load().examples()
    var options = SupervisedTrainingOptions(steps: stage.steps ?? 150, seed: stage.seed)
    options.batchSize = batch
    if let rate = stage.learningRate { options.rate.peak = rate }
    let run = StageRun(
      stage: "sft",
      policy: policy.configuration,
      from: from,
      data: description,
      options: options
    )
    let folder = try StageFolder.claim(stage.output, for: run)
    options.checkpointInterval = stage.checkpointInterval
    options.evaluationInterval = stage.evaluationInterval
    policy.train()
    var training = SupervisedTraining(at: stage.output, of: policy, on: examples, options)
    training.evaluation = try stage.evaluation(policy, beside: description)
    training.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("warming up", unit: "steps")
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
