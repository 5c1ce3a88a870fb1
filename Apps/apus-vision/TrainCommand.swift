import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Support
import Tensor

/// `train`: one net.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a net on Fashion-MNIST.",
    discussion: """
      AdamW with a cosine of learning rates. The folder holds the log, the checkpoints and, at the \
      end, model.safetensors and run.json. Run the same command again to go on after an interruption.

      EXAMPLES
        apus-vision train --architecture resnet --output resnet
        apus-vision train --architecture mobilenet --output mobilenet --epochs 4
      """
  )

  @Option(help: "The net: resnet or mobilenet.")
  var architecture: Architecture
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the run.", valueName: "folder"))
  var output: String
  @Option(help: "How often each image is seen.")
  var epochs = 3
  @Option(help: "The images of a step.")
  var batch = 64
  @Option(help: "The largest learning rate.")
  var learningRate: Float = 3e-3
  @Option(help: "Decoupled weight decay.")
  var decay: Float = 0.01
  @Option(help: "The seed of weights and batches.")
  var seed: UInt64 = 0
  @OptionGroup(title: "Images") var images: ImageArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard epochs > 0, batch > 1 else {
      throw ValidationError("--epochs must be above 0, --batch above 1")
    }
    guard learningRate > 0, learningRate.isFinite, decay >= 0, decay.isFinite else {
      throw ValidationError("--learning-rate must be above 0, --decay not below")
    }
  }

  func run() throws {
    machine.apply()
    let (training, test) = (try images.load(.training), try images.load(.test))
    var generator = Philox(seed: seed)
    let net = VisionNet(architecture, using: &generator)
    let data = TensorDataset(training.images, training.labels)
    let batches = data.batches(
      of: batch,
      order: .shuffled(seed: seed),
      epochs: epochs,
      dropsRemainder: true
    )
    let optimizer = AdamW(net, learningRate: learningRate, weightDecay: decay)
    var options = TrainingOptions(seed: seed)
    options.logInterval = 20
    options.checkpointInterval = batches.sampler.batchesPerEpoch
    options.keptCheckpoints = 1
    var run = TrainingRun(at: output, model: net, optimizer: optimizer, options: options)
    let steps = epochs * batches.sampler.batchesPerEpoch
    let schedule = LearningRateSchedule.cosine(
      from: learningRate,
      steps: steps,
      warmUpSteps: min(100, steps / 10)
    )
    run.learningRate = { schedule($0 - 1) }
    run.evaluation = { ["test accuracy": try test.accuracy { net($0) }] }
    run.shouldStop = { Cancellation.isRequested }
    let reporter = display.progress("training", unit: "steps")
    run.progress = { reporter.update(completed: $0.step, total: $0.total, note: $0.note) }
    let start = secondsOfUptime()
    let report = try run.train(on: batches) { batch, step in
      crossEntropy(logits: net(Variable(batch.0)), targets: batch.1)
    }
    reporter.clear()
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    net.eval()
    let summary = TrainedNet(
      architecture: architecture,
      parameterCount: net.parameterCount.total,
      epochs: epochs,
      batchSize: batch,
      learningRate: learningRate,
      decay: decay,
      seed: seed,
      accuracy: try test.accuracy { net($0) },
      seconds: secondsOfUptime() - start
    )
    try net.save(to: output + "/" + TrainedNet.weightsName)
    try AtomicFile.write(try jsonText(summary) + "\n", to: output + "/" + TrainedNet.fileName)
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(summary) : summary.table.text(width: StandardStream.output.columnCount)
    )
  }
}

/// A trained net: what `run.json` says about it.
struct TrainedNet: Codable {
  var architecture: Architecture
  var parameterCount: Int
  var epochs: Int
  var batchSize: Int
  var learningRate: Float
  var decay: Float
  var seed: UInt64
  /// Of the test images.
  var accuracy: Double
  /// Of the last session.
  var seconds: Double

  static let fileName = "run.json"
  static let weightsName = "model.safetensors"

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("architecture", architecture.rawValue)
    table.add("parameters", parameterCount.grouped)
    table.add("test accuracy", "\((100 * accuracy).fixed(2)) %")
    table.add("seconds", seconds.fixed(1))
    return table
  }

  /// The net in a folder that `train` has written, with its batch norms folded.
  static func load(from folder: String) throws -> (summary: TrainedNet, net: VisionNet) {
    let path = folder + "/" + fileName
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("no \(path); train the net first with 'apus-vision train'")
    }
    guard let summary = try? JSONDecoder().decode(TrainedNet.self, from: data) else {
      throw CommandFailure("\(path) is not of 'apus-vision train'; choose another folder")
    }
    var generator = Philox(seed: 0)
    let net = VisionNet(summary.architecture, using: &generator)
    try net.load(from: folder + "/" + weightsName)
    net.eval()
    net.fold()
    return (summary, net)
  }
}
