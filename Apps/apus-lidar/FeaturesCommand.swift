import ArgumentParser
import Foundation
import PointCloud
import Support
import Tensor

/// `features`: scans to vectors.
struct FeaturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Make a vector of each scan, for 'apus-novelty'.",
    discussion: """
      A scan's vector is what the network sees before its head, pooled over the voxels: the mean of \
      each of its W features, then the maximum of each, 2·W numbers. A folder is that of 'simulate' or \
      SemanticKITTI, or one with files of scans in it. A class before the path (CLASS=PATH) labels its \
      scans, which 'apus-novelty' understands. The output ends in .safetensors, or in .npy for vectors \
      without classes.

      EXAMPLES
        apus-lidar features monday/ --sensor vlp16 --output monday.safetensors
        apus-lidar features good=dry/ bad=fog/ --sensor vlp16 --output both.safetensors
        apus-novelty train monday.safetensors --detector knn --output usual.safetensors
      """
  )

  @Argument(help: ArgumentHelp("Scans, or folders of them.", valueName: "[class=]path"))
  var paths: [LabelledPath]
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Reading") var reading: ReadingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws { try paths.checkLabels() }

  func run() throws {
    machine.apply()
    let hasClasses = paths.contains { $0.label != nil }
    try SampleFile.check(output, hasClasses: hasClasses)
    let network = try model.load()
    let scans = try paths.flatMap { item in
      try ScanFiles.paths(at: item.path).map { (label: item.label, file: $0) }
    }
    let start = secondsOfUptime()
    let reporter = display.progress("reading", unit: "scans")
    var rows: [Tensor<Float>] = []
    var density: BeamDensity?
    for (index, scan) in scans.enumerated() {
      try Cancellation.check("nothing was written")
      reporter.update(completed: index, total: scans.count, note: scan.file)
      let sensed = try reading.read(scan.file)
      if index == 0, !display.quiet {
        reporter.clear()
        try sensed.writeNotes()
      }
      let beams =
        density.flatMap { $0.model == sensed.sensor ? $0 : nil } ?? BeamDensity(sensed.sensor)
      density = beams
      guard let row = try network.features(of: sensed.scan, density: beams) else {
        throw CommandFailure(
          "\(scan.file): no point lies in the volume that the model looks at; leave the scan out"
        )
      }
      rows.append(row)
    }
    reporter.clear()
    let labels = scans.compactMap(\.label)
    try SampleFile.write(.stacking(rows), classes: hasClasses ? labels : nil, to: output)
    let summary = FeatureSummary(
      file: output,
      samples: rows.count,
      width: network.scanFeatureCount,
      classes: hasClasses ? Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +) : nil,
      seconds: secondsOfUptime() - start
    )
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }
}

/// What `features` did.
private struct FeatureSummary: Encodable {
  var file: String
  var samples: Int
  var width: Int
  var classes: [String: Int]?
  var seconds: Double

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("file", file)
    table.add("scans", samples.grouped)
    table.add("numbers a scan", width.grouped)
    for (name, count) in (classes ?? [:]).sorted(by: { $0.key < $1.key }) {
      table.add("class \(name)", count.grouped)
    }
    table.add("time", durationText(seconds))
    return table
  }
}
