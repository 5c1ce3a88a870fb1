import ArgumentParser
import Checkpoints
import Foundation
import PointCloud
import Support

/// `eval`: models × sensors in one table.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure networks on scans of several sensors, in one table.",
    discussion: """
      Rows are names: models of one name (seeds of one run) share a row, which then has mean ± sample \
      standard deviation. The name is the one before =, else that of run.json, else that of the file. \
      Columns are sets; those of another sensor than the model was trained on are targets, whose \
      harmonic mean is the last column. Points outside the volume that a network looks at do not count.

      EXAMPLES
        apus-lidar eval run
        apus-lidar eval base-0 base-1 base-2 ddfe-0 ddfe-1 ddfe-2 --output table
        apus-lidar eval base=a/model.safetensors ddfe=b --sensors hdl64e,vlp16,vlp16@2.4
        apus-lidar eval run --data hdl64e=seq08_000000.bin --data os1_64:rellis=os1_000104.bin
      """
  )

  @Argument(help: ArgumentHelp("Models: files or folders of runs.", valueName: "[name=]model"))
  var models: [NamedModel] = []
  @OptionGroup(title: "Scans") var sets: EvaluationSetArguments
  @Option(help: "What classes count that are nowhere: zero (as 0) or leftOut.")
  var absent = AbsentClasses.zero
  @Flag(help: "Show the IoU of each class too.")
  var perClass = false
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("A folder for eval.json and eval.md.", valueName: "folder")
  )
  var output: String?
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    let paths = models.map(\.path)
    if let twice = paths.first(where: { path in paths.count { $0 == path } > 1 }) {
      throw ValidationError("model \(twice) is listed twice")
    }
  }

  func run() throws {
    machine.apply()
    let named = models.isEmpty ? [NamedModel(path: try ShippedModel.path())] : models
    let names = try NamedModel.rowNames(named)
    let loaded = try zip(named, names).map { ($0, $1, try PointSegmenter.load($0.path)) }
    try checkClasses(loaded.map { (name: $0.1, classes: $0.2.configuration.classNames) })
    let columns = try sets.columns()
    if let output { try makeOutputFolder(output) }
    var report = EvaluationReport(columns)
    let reporter = display.progress("evaluating", unit: "scans")
    let total = columns.reduce(0) { $0 + $1.count } * loaded.count
    var done = 0
    // Sets outside: a set is simulated or read once, and then gone.
    for column in columns.lazy.map({ $0.cached() }) {
      for (model, name, network) in loaded {
        let scans = try column.scans(for: network)
        let confusion = try network.confusion(on: scans) { count, _ in
          reporter.update(
            completed: done + count,
            total: total,
            note: "\(column.name), \(name)"
          )
          return !Cancellation.isRequested
        }
        try Cancellation.check("nothing was written")
        guard confusion.pointCount > 0 else {
          throw CommandFailure(
            "\(column.name): no point has a class of \(model.path), in the volume that it looks at"
          )
        }
        report.add(confusion, of: network, path: model.path, row: name, on: column)
        done += scans.count
      }
    }
    reporter.clear()
    report.finish()
    try write(report)
  }

  /// Refuses rows whose models have different classes: their means are no repetitions.
  private func checkClasses(_ models: [(name: String, classes: [String])]) throws(CommandFailure) {
    for model in models {
      guard let first = models.first(where: { $0.name == model.name }),
        first.classes != model.classes
      else { continue }
      throw CommandFailure(
        "the models of row \(model.name) have different classes; name them apart"
      )
    }
  }

  private func write(_ report: EvaluationReport) throws {
    let table = EvaluationTable(report, absent: absent)
    if let output {
      try AtomicFile.write(try jsonText(report) + "\n", to: output + "/eval.json")
      try AtomicFile.write(table.markdown(perClass: perClass), to: output + "/eval.md")
    }
    let stream = StandardStream.output
    guard !display.json else { return try stream.writeLine(jsonText(report)) }
    try stream.writeLine(table.table.text(width: stream.columnCount))
    try stream.writeLine("")
    try stream.writeLine(table.legend)
    guard perClass else { return }
    for item in table.classTables {
      try stream.writeLine("\n\(item.title)\n")
      try stream.writeLine(item.table.text(width: stream.columnCount))
    }
  }
}

/// A model as it is typed: `run`, `base=run/model.safetensors`.
struct NamedModel: ExpressibleByArgument {
  let name: String?
  let path: String

  init(path: String) { (name, self.path) = (nil, path) }

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2, !FileManager.default.fileExists(atPath: argument) {
      guard !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
      (name, path) = (String(parts[0]), String(parts[1]))
    } else {
      (name, path) = (nil, argument)
    }
  }

  /// The run that the model comes from; nil if nothing tells.
  func run() throws -> TrainedRun? {
    let isFile = path.hasSuffix(".safetensors")
    let folder = isFile ? URL(filePath: path).deletingLastPathComponent().relativePath : path
    return try TrainedRun.read(folder)
  }

  /// The names of the models' rows.
  ///
  /// - Throws: `CommandFailure` if models would share a row that are no repetitions of one run,
  ///   and were not given that name.
  static func rowNames(_ models: [NamedModel]) throws -> [String] {
    var found: [String: (path: String, run: TrainedRun?)] = [:]
    return try models.map { model in
      if let name = model.name { return name }
      let run = try model.run()
      let name = run?.name ?? model.path.fileStem
      guard let first = found[name] else {
        found[name] = (model.path, run)
        return name
      }
      guard let run, let other = first.run, other.isRepeated(by: run) else {
        throw CommandFailure(
          "\(first.path) and \(model.path) are both called \(name) and differ by more than their "
            + "seeds; name them: NAME=\(model.path)"
        )
      }
      return name
    }
  }
}
