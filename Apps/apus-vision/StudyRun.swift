import Autograd
import Checkpoints
import Foundation
import Quantization
import Support
import Tensor

/// What a study crosses.
struct StudyPlan {
  var bits: [Int]
  var methods: [StudyMethod]
  var seeds: [UInt64]
  var range: StartRange
  var rates: [StudyMethod: [Float]]

  /// Cells of one net, those of learning rates that are tried included.
  var cellCount: Int {
    let kept = methods.reduce(0) { $0 + ($1.isLearned ? seeds.count : 1) }
    let sources = Set(methods.filter(\.isLearned).map(\.rateSource))
    let tried = sources.reduce(0) { $0 + (rates[$1]?.count ?? 1) - (methods.contains($1) ? 1 : 0) }
    return bits.count * (kept + tried)
  }
}

/// A study in a folder, which goes on from what is there.
final class StudyRun {
  typealias Progress = (_ cell: StudyCell, _ done: Int, _ share: Double) -> Void

  private(set) var file: StudyFile
  private let folder: String
  private let training: ImageSet
  private let test: ImageSet
  private var calibrations: [UInt64: BlockwiseQuantization] = [:]
  private var done = 0

  /// A study in a folder.
  ///
  /// - Throws: `CommandFailure` if the folder has a study with other settings.
  init(
    at folder: String,
    _ settings: StudyFile.Settings,
    training: ImageSet,
    test: ImageSet
  ) throws {
    self.folder = folder
    self.training = training
    self.test = test
    let path = folder + "/study.json"
    guard let data = FileManager.default.contents(atPath: path) else {
      file = StudyFile(settings: settings, nets: [])
      try makeOutputFolder(folder)
      return
    }
    guard let found = try? JSONDecoder().decode(StudyFile.self, from: data),
      found.settings == settings
    else {
      throw CommandFailure("\(path) is of a study with other settings; choose another --output")
    }
    file = found
  }

  /// Runs the cells of a plan that are missing for one net.
  func run(
    _ plan: StudyPlan,
    _ summary: TrainedNet,
    _ net: VisionNet,
    progress: Progress
  ) throws {
    try register(summary)
    calibrations = [:]
    for bits in plan.bits {
      var rates: [StudyMethod: Float] = [.nearest: 0]
      for method in plan.methods {
        let source = method.rateSource
        func cell(_ method: StudyMethod, _ rate: Float, _ seed: UInt64) -> StudyCell {
          StudyCell(
            architecture: summary.architecture,
            bits: bits,
            range: plan.range.range(bits: bits),
            method: method,
            learningRate: rate,
            seed: seed
          )
        }
        if rates[source] == nil {
          let tried = try (plan.rates[source] ?? []).map { rate in
            try result(cell(source, rate, plan.seeds[0]), net, progress)
          }
          rates[source] = tried.min { $0.outputError < $1.outputError }?.cell.learningRate
        }
        for seed in method.isLearned ? plan.seeds : [plan.seeds[0]] {
          _ = try result(cell(method, rates[source] ?? 0, seed), net, progress)
        }
      }
    }
  }

  private func register(_ summary: TrainedNet) throws {
    if let old = file.nets.first(where: { $0.architecture == summary.architecture }) {
      guard old.accuracy == summary.accuracy, old.seed == summary.seed else {
        throw CommandFailure(
          "\(folder) has a study of another \(summary.architecture.rawValue); choose another --output"
        )
      }
      return
    }
    file.nets.append(summary)
  }

  /// The result of a cell, from the file or computed and put there.
  private func result(
    _ cell: StudyCell,
    _ net: VisionNet,
    _ progress: Progress
  ) throws -> StudyResult {
    if let found = file[cell] { return found }
    let start = secondsOfUptime()
    let calibration = calibration(cell.seed, net)
    let blocks: [any StackedBlock]
    var result: StudyResult
    do {
      (blocks, result) = try calibration.quantize(cell) { progress(cell, done, $0) }
    } catch QuantizationError.cancelled {
      try Cancellation.check("run the same command to go on")
      throw QuantizationError.cancelled
    }
    result.accuracy = try test.accuracy { images in blocks.reduce(images) { $1($0) } }
    result.seconds = secondsOfUptime() - start
    file.results.append(result)
    done += 1
    try save()
    return result
  }

  private func calibration(_ seed: UInt64, _ net: VisionNet) -> BlockwiseQuantization {
    if let found = calibrations[seed] { return found }
    var generator = Philox(seed: seed).fork(3)
    let order = Tensor<Int32>.permutation(training.labels.count, using: &generator)
    let images = training.images.rows(Array(order.elements.prefix(file.settings.samples)))
    let calibration = BlockwiseQuantization(net, settings: file.settings, images: images)
    calibrations[seed] = calibration
    return calibration
  }

  private func save() throws {
    try AtomicFile.write(try jsonText(file) + "\n", to: folder + "/study.json")
    try AtomicFile.write(StudyTables(file).markdown + "\n", to: folder + "/study.md")
  }
}
