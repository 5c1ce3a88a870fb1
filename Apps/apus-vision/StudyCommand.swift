import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Quantization
import Support
import Tensor

/// `study`: net × bits × method × calibration seed.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Quantize trained nets block by block and compare the methods.",
    discussion: """
      Batch norms are folded, then weights are rounded on one grid per layer, block by block against \
      the float net's outputs; the stem and the classifier keep 8 bits. Where several learning rates \
      are given, the one with the smallest error at the logits, on calibration images of the first seed \
      that are not trained on, is taken for all seeds. The output gets study.json and study.md after \
      each cell; the same command goes on after an interruption.

      EXAMPLES
        apus-vision study resnet mobilenet --output study
        apus-vision study resnet --output study --bits 4 --methods rtn --range minmax
      """
  )

  @Argument(help: "Folders that 'train' has written.")
  var nets: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the study.", valueName: "folder"))
  var output: String
  @Option(parsing: .upToNextOption, help: "Bits of the weights.")
  var bits: [Int] = [4, 3, 2]
  @Option(parsing: .upToNextOption, help: "Methods.")
  var methods: [StudyMethod] = StudyMethod.allCases
  @Option(parsing: .upToNextOption, help: "Seeds of the calibration images.")
  var seeds: [UInt64] = [0, 1, 2]
  @Option(help: "How step sizes start: auto, minmax or search; auto searches up to 3 bits.")
  var range = StartRange.automatic
  @Option(help: "Calibration images.")
  var samples = 512
  @Option(help: "Steps of each block.")
  var steps = 300
  @Option(help: "The images of a step.")
  var batch = 32
  @Option(parsing: .upToNextOption, help: "Learning rates of FlexRound that are tried.")
  var flexroundRates: [Float] = [3e-3, 1e-2]
  @Option(parsing: .upToNextOption, help: "Learning rates of AdaRound that are tried.")
  var adaroundRates: [Float] = [3e-2, 1e-1]
  @OptionGroup(title: "Images") var images: ImageArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !nets.isEmpty, !bits.isEmpty, !methods.isEmpty, !seeds.isEmpty else {
      throw ValidationError("nets, --bits, --methods and --seeds must not be empty")
    }
    guard bits.allSatisfy({ (2...8).contains($0) }) else {
      throw ValidationError("--bits must lie in 2 to 8")
    }
    guard samples > 1, steps > 0, batch > 0 else {
      throw ValidationError("--samples must be above 1, --steps and --batch above 0")
    }
    let rates = flexroundRates + adaroundRates
    guard !flexroundRates.isEmpty, !adaroundRates.isEmpty,
      rates.allSatisfy({ $0 > 0 && $0.isFinite })
    else { throw ValidationError("learning rates must be above 0, at least one for each method") }
  }

  func run() throws {
    machine.apply()
    let (training, test) = (try images.load(.training), try images.load(.test))
    guard samples <= training.labels.count else {
      throw CommandFailure("there are \(training.labels.count) images for --samples \(samples)")
    }
    let settings = StudyFile.Settings(
      samples: samples,
      steps: steps,
      batchSize: batch,
      heldBackShare: 0.125,
      edgeBits: 8
    )
    let trained = try nets.map { try TrainedNet.load(from: $0) }
    let study = try StudyRun(at: output, settings, training: training, test: test)
    let plan = StudyPlan(
      bits: bits,
      methods: methods,
      seeds: seeds,
      range: range,
      rates: [.flexRound: flexroundRates, .adaRound: adaroundRates]
    )
    let reporter = display.progress("study", unit: "cells")
    for (summary, net) in trained {
      try study.run(plan, summary, net) { cell, done, share in
        let count = plan.cellCount * trained.count
        reporter.update(
          completed: done,
          total: count,
          share: (Double(done) + share) / Double(count),
          note: "\(cell.architecture.rawValue) \(cell.bits) bits \(cell.method.rawValue)"
        )
      }
    }
    reporter.clear()
    try StandardStream.output.writeLine(
      display.json ? jsonText(study.file) : StudyTables(study.file).markdown
    )
  }
}
