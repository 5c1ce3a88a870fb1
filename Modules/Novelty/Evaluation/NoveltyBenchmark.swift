import Autograd
import Checkpoints
import Foundation
import Tensor

/// Runs detectors class by class, and goes on where it was interrupted.
///
///     let benchmark = NoveltyBenchmark(
///       methods: [("OAAE", .oaae(.small())), ("AE", .oaae(.small().withoutPrior))],
///       seeds: [0, 1, 2]
///     )
///     let report = try benchmark.run(on: data, folder: "benchmark") { print($0.method, $0.label) }
///
/// With a folder each result is a JSON file, and a result that is there is not computed again. A
/// method's own training goes on from its last epoch where it keeps checkpoints.
public struct NoveltyBenchmark: Sendable {
  /// The methods and their names: letters, digits, `-`, `_`, `.` and spaces.
  public var methods: [(name: String, detector: DetectorChoice)]
  /// How samples are chosen.
  public var evaluation: NoveltyEvaluation
  /// The classes that take their turn; nil for all.
  public var classes: [Int32]?
  /// The seeds; each is a split and a training of its own.
  public var seeds: [UInt64]

  /// A benchmark; RaPP's protocol and one seed by default.
  public init(
    methods: [(name: String, detector: DetectorChoice)],
    evaluation: NoveltyEvaluation = NoveltyEvaluation(),
    classes: [Int32]? = nil,
    seeds: [UInt64] = [0]
  ) {
    self.methods = methods
    self.evaluation = evaluation
    self.classes = classes
    self.seeds = seeds
  }

  /// Runs what has no result yet.
  ///
  /// - Parameters:
  ///   - data: the samples.
  ///   - folder: where results are kept; made when it is missing; nil keeps none.
  ///   - progress: gets each result, also those that were there.
  ///   - fitProgress: gets the epochs of each fit.
  ///   - shouldStop: asked after each epoch and each result; a cancelled task also stops.
  /// - Returns: all results; those so far when it was stopped.
  /// - Throws: `NoveltyError.otherRun` when the folder's results are of other settings or samples.
  public func run(
    on data: LabelledSamples,
    folder: String? = nil,
    progress: ((NoveltyResult) -> Void)? = nil,
    fitProgress: ((FitProgress) -> Void)? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) throws(NoveltyError) -> NoveltyReport {
    try check()
    let store = try folder.map { (path) throws(NoveltyError) in
      try ResultFolder(path, "\(try DetectorFile.text(of: evaluation)) \(data.fingerprint)")
    }
    var report = NoveltyReport(evaluation: evaluation, results: [])
    for seed in seeds {
      for label in classes ?? data.classes {
        for method in methods {
          if shouldStop() || Task.isCancelled { return report }
          let cell = BenchmarkCell(method.name, method.detector, label, seed)
          let stored = try store?.result(of: cell)
          let result: NoveltyResult
          if let stored {
            result = stored
          } else {
            let options = FitOptions(
              checkpointPath: store?.checkpointPath(of: cell),
              progress: fitProgress,
              shouldStop: shouldStop
            )
            guard let found = try run(cell, data, options) else { return report }
            result = found
            try store?.save(result, of: cell)
          }
          report.results.append(result)
          progress?(result)
        }
      }
    }
    return report
  }

  private func check() throws(NoveltyError) {
    let names = methods.map(\.name)
    let isPlain = names.allSatisfy { name in
      !name.isEmpty && name.utf8.count < 100 && !name.hasPrefix(".")
        && name.utf8.allSatisfy { byte in
          byte == 0x20 || byte == 0x2D || byte == 0x2E || byte == 0x5F
            || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
            || (0x61...0x7A).contains(byte)
        }
    }
    guard isPlain, Set(names).count == names.count else {
      throw .configuration("methods are called \(names); names must be plain and differ")
    }
  }

  /// One result; nil when the fit was interrupted.
  private func run(
    _ cell: BenchmarkCell,
    _ data: LabelledSamples,
    _ options: FitOptions
  ) throws(NoveltyError) -> NoveltyResult? {
    let fold = try evaluation.fold(for: cell.label, of: data, seed: cell.seed)
    let detector = cell.detector.makeDetector(seed: cell.seed)
    let report = try detector.fit(fold.normalData(of: data), options: options)
    guard report.ending != .interrupted else { return nil }
    var scores: [String: [Float]] = [:]
    var seconds = 0.0
    for start in stride(from: 0, to: fold.test.count, by: 4096) {
      let batch = data[Array(fold.test[start..<min(start + 4096, fold.test.count)])]
      let begin = RunLog.uptime()
      let found = try detector.allScores(of: batch)
      seconds += RunLog.uptime() - begin
      for (name, values) in found { scores[name, default: []] += values }
    }
    var metrics: [String: NoveltyMetrics] = [:]
    for (name, values) in scores {
      metrics[name] = try NoveltyMetrics(scores: values, isNovel: fold.isNovel)
    }
    return NoveltyResult(
      method: cell.method,
      label: cell.label,
      seed: cell.seed,
      metrics: metrics,
      trainingCount: fold.training.count,
      fit: FitReport(
        ending: report.ending,
        epochs: Array(report.epochs.suffix(1)),
        seconds: report.seconds
      ),
      epochCount: report.epochs.count,
      samplesPerSecond: Double(fold.test.count) / max(seconds, 1e-9)
    )
  }
}

/// One method, class and seed.
private struct BenchmarkCell {
  let method: String
  let detector: DetectorChoice
  let label: Int32
  let seed: UInt64

  init(_ method: String, _ detector: DetectorChoice, _ label: Int32, _ seed: UInt64) {
    self.method = method
    self.detector = detector
    self.label = label
    self.seed = seed
  }

  var name: String { "\(method.split(separator: " ").joined(separator: "_"))-\(label)-\(seed)" }
}

/// The results that are done, each in its file.
private struct ResultFolder {
  private let path: String
  private let identity: String

  /// A result, and what it depends on.
  private struct Entry: Codable {
    var identity: String
    var result: NoveltyResult
  }

  init(_ path: String, _ identity: String) throws(NoveltyError) {
    self.path = path
    self.identity = identity
    do throws(FileProblem) { try makeFolder(path) } catch {
      throw .content(path: path, reason: "the folder cannot be made: \(error)")
    }
  }

  func checkpointPath(of cell: BenchmarkCell) -> String { "\(path)/\(cell.name).checkpoints" }

  private func file(_ cell: BenchmarkCell) -> String { "\(path)/\(cell.name).json" }

  private func identity(of cell: BenchmarkCell) throws(NoveltyError) -> String {
    "\(try DetectorFile.text(of: cell.detector)) \(identity)"
  }

  func result(of cell: BenchmarkCell) throws(NoveltyError) -> NoveltyResult? {
    let file = file(cell)
    guard let data = FileManager.default.contents(atPath: file) else { return nil }
    let entry: Entry
    do { entry = try JSONDecoder().decode(Entry.self, from: data) } catch {
      throw .content(path: file, reason: "no result of a benchmark: \(error)")
    }
    guard entry.identity == (try identity(of: cell)) else {
      throw .otherRun(path: file, difference: "settings or samples")
    }
    // A process that was killed behind the result left them.
    removeCheckpoints(of: cell)
    return entry.result
  }

  func save(_ result: NoveltyResult, of cell: BenchmarkCell) throws(NoveltyError) {
    let entry = Entry(identity: try identity(of: cell), result: result)
    let text = try DetectorFile.text(of: entry)
    try filing { () throws(CheckpointError) in try AtomicFile.write(text, to: file(cell)) }
    removeCheckpoints(of: cell)
  }

  private func removeCheckpoints(of cell: BenchmarkCell) {
    try? FileManager.default.removeItem(atPath: checkpointPath(of: cell))
  }
}
