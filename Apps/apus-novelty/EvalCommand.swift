import ArgumentParser
import Checkpoints
import Foundation
import Novelty
import Support

/// `eval`: methods × classes × seeds.
struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how well methods find novel classes.",
    discussion: """
      Each class takes its turn: it is novel and all others are normal (leave-one-out), or it alone is \
      normal (one-class). The output folder keeps one result for each method, class and seed, and gets \
      report.json and report.md. The same command goes on after an interruption; with more classes, \
      seeds or methods it computes what is missing.

      EXAMPLES
        apus-novelty eval mnist --output study --profile small --methods oaae aae ae \\
          --training-limit 6000 --test-limit 4000
        apus-novelty eval vectors.csv --label-column kind --output study --methods knn mahalanobis
      """
  )

  /// What one class stands for.
  enum Setting: String, CaseIterable, ExpressibleByArgument {
    case leaveOneOut = "leave-one-out"
    case oneClass = "one-class"
  }

  /// Where training and test samples come from.
  enum Split: String, CaseIterable, ExpressibleByArgument {
    case pooled
    case official
  }

  @Argument(help: "The folder or file of labelled samples.")
  var data: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the study.", valueName: "folder"))
  var output: String
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Methods.", valueName: "method"))
  var methods: [DetectorMethod] = [.oaae, .aae, .ae]
  @Option(help: "What one class stands for: leave-one-out or one-class.")
  var setting = Setting.leaveOneOut
  @Option(help: "pooled: 60/20/20 % of all normal samples; official: MNIST's own test set.")
  var split = Split.pooled
  @Option(parsing: .upToNextOption, help: "The classes that take their turn; all by default.")
  var classes: [String] = []
  @Option(parsing: .upToNextOption, help: "Seeds of splits, weights and batches.")
  var seeds: [UInt64] = [0]
  @Option(help: "The most training samples.")
  var trainingLimit: Int?
  @Option(help: "The most test samples.")
  var testLimit: Int?
  @OptionGroup(title: "Detector") var settings: DetectorArguments
  @OptionGroup(title: "Images") var images: ImageArguments
  @OptionGroup(title: "Data") var vectors: VectorArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !methods.isEmpty, !seeds.isEmpty, Set(methods).count == methods.count,
      Set(seeds).count == seeds.count, Set(classes).count == classes.count
    else { throw ValidationError("--methods, --seeds and --classes must differ and not be empty") }
    guard trainingLimit ?? 1 > 0, testLimit ?? 1 > 0 else {
      throw ValidationError("limits must be above 0")
    }
  }

  func run() throws {
    machine.apply()
    var reader = SampleReader(vectors, images.target, advice: "give --size to resize all")
    let samples = try reader.read(data, part: .all)
    for line in reader.images.skipped {
      try StandardStream.error.writeLine("left out: \(line.printable)")
    }
    let labelled = try samples.labelled()
    try samples.check(classes: classes, option: "--classes")
    let names = samples.classNames
    let wanted = try chosen(names, labelled)
    let benchmark = NoveltyBenchmark(
      methods: methods.map { ($0.title, settings.choice($0, for: samples)) },
      evaluation: NoveltyEvaluation(
        setting: setting == .oneClass ? .oneClass : .leaveOneClassOut,
        split: split == .official ? .official : .pooled,
        trainingLimit: trainingLimit,
        testLimit: testLimit
      ),
      classes: wanted,
      seeds: seeds
    )
    let report = try run(benchmark, labelled, count: wanted.count * methods.count * seeds.count)
    let document = EvaluationDocument(
      data: data,
      methods: Dictionary(uniqueKeysWithValues: benchmark.methods.map { ($0.name, $0.detector) }),
      seeds: seeds,
      classNames: Dictionary(uniqueKeysWithValues: zip(labelled.classes.map { "\($0)" }, names)),
      report: report
    )
    let markdown = EvaluationTable(report, names: document.classNames).markdown
    let json = try jsonText(document)
    try AtomicFile.write(json + "\n", to: output + "/report.json")
    try AtomicFile.write(markdown + "\n", to: output + "/report.md")
    try StandardStream.output.writeLine(display.json ? json : markdown)
  }

  private func chosen(_ names: [String], _ labelled: LabelledSamples) throws -> [Int32] {
    let known = Dictionary(uniqueKeysWithValues: zip(names, labelled.classes))
    return classes.isEmpty ? labelled.classes : classes.compactMap { known[$0] }
  }

  private func run(
    _ benchmark: NoveltyBenchmark,
    _ data: LabelledSamples,
    count: Int
  ) throws -> NoveltyReport {
    let reporter = display.progress("evaluating", unit: "results")
    var done = 0
    let report = try benchmark.run(
      on: data,
      folder: output,
      progress: { result in
        done += 1
        let note = "\(result.method), class \(result.label), seed \(result.seed)"
        reporter.update(completed: done, total: count, note: note)
      },
      fitProgress: { state in
        let share = Double(state.epoch) / Double(max(state.epochs, 1))
        reporter.update(
          completed: done,
          total: count,
          share: (Double(done) + share) / Double(count),
          note: "epoch \(state.epoch): \(state.record.note)"
        )
      },
      shouldStop: { Cancellation.isRequested }
    )
    reporter.clear()
    try Cancellation.check("run the same command to go on after \(done) of \(count) results")
    return report
  }
}

/// What `eval` found, and with what.
struct EvaluationDocument: Encodable {
  var version = "0.1.0"
  var data: String
  var methods: [String: DetectorChoice]
  var seeds: [UInt64]
  /// The names of the classes, by number.
  var classNames: [String: String]
  var report: NoveltyReport
}
