import ArgumentParser
import Foundation
import PointCloud
import Support
import Tensor

/// `segment`: files in, labels and colored points out.
struct SegmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segment",
    abstract: "Give every point of scans a class.",
    discussion: """
      For each file the output folder gets NAME.label, a label for each point of the file in its order \
      (raw ids of SemanticKITTI, or of --label-set; 0 for the background, missing returns and points out \
      of the volume that the model looks at), and NAME.ply, points in the colors of their classes. \
      'apus-lidar view NAME.ply' shows them.

      EXAMPLES
        apus-lidar segment scan.pcd --sensor vlp16
        apus-lidar segment *.bin --sensor my32.json --mount-height 1.9 --output labels
        apus-lidar segment scan.las --origin 365000,4305000,120 --model run
      """
  )

  @Argument(help: ArgumentHelp("Scans.", valueName: "file"))
  var files: [String]
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The folder of the results.", valueName: "folder")
  )
  var output = "predictions"
  @Flag(help: "Replace results that are there.")
  var force = false
  @Flag(inversion: .prefixedNo, help: "Write the colored points.")
  var ply = true
  @Option(help: "The raw labels to write: semantickitti, nuscenes, waymo or rellis.")
  var labelSet = LabelSet.semanticKITTI
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Reading") var reading: ReadingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() throws {
    machine.apply()
    let network = try model.load()
    let map = try network.labelMap(from: labelSet)
    try checkOutputs()
    try makeOutputFolder(output)
    var reports: [SegmentationReport] = []
    let reporter = display.progress("segmenting", unit: "scans")
    for (index, file) in files.enumerated() {
      try Cancellation.check("the labels of \(index.counted("scan")) are written")
      reporter.update(completed: index, total: files.count, note: file)
      let sensed = try reading.read(file)
      reporter.clear()
      if !display.quiet { try sensed.writeNotes() }
      reports.append(try segment(sensed, network, map))
    }
    reporter.clear()
    let stream = StandardStream.output
    guard !display.json else { return try stream.writeLine(jsonText(reports)) }
    for report in reports { try stream.writeLine(report.text(width: stream.columnCount)) }
  }

  private func segment(
    _ file: SensedFile,
    _ network: PointSegmenter,
    _ map: LabelMap
  ) throws -> SegmentationReport {
    let density = BeamDensity(file.sensor)
    let start = secondsOfUptime()
    let found = try network.segment(file.scan, density: density)
    let seconds = secondsOfUptime() - start
    let raw = map.rawLabels(of: found.classes)
    let outputs = paths(of: file.path)
    try LabelFile(file.reading.spread(raw)).write(to: outputs.labels)
    if ply {
      var scan = file.scan
      (scan.labels, scan.instances) = (raw, nil)
      try scan.writePLY(to: outputs.points, coloredBy: found.classes, of: map)
    }
    return SegmentationReport(
      file,
      found,
      map: map,
      density: DensityReport(file.scan, density: density, range: network.densityRange),
      seconds: seconds,
      outputs: [outputs.labels] + (ply ? [outputs.points] : [])
    )
  }

  private func paths(of file: String) -> (labels: String, points: String) {
    let stem = output + "/" + file.fileStem
    return (stem + (labelSet == .nuScenes ? "_lidarseg.bin" : ".label"), stem + ".ply")
  }

  /// Refuses to write over anything: the labels beside a scan may be the true ones.
  private func checkOutputs() throws(CommandFailure) {
    var sources: [String: String] = [:]
    for file in files {
      let target = paths(of: file)
      if let other = sources.updateValue(file, forKey: target.labels) {
        throw CommandFailure(
          "\(other) and \(file) would both be written to \(target.labels); segment them apart"
        )
      }
      for path in [target.labels] + (ply ? [target.points] : []) {
        guard FileManager.default.fileExists(atPath: path) else { continue }
        guard force, !files.contains(path) else {
          throw CommandFailure(
            "\(path) is there already; choose another --output" + (force ? "" : " or add --force")
          )
        }
      }
    }
  }
}

/// What `segment` found in a file.
struct SegmentationReport: Encodable {
  var file: String
  var format: PointFileFormat
  /// The points of the file.
  var rows: Int
  /// Those that are left without missing returns.
  var points: Int
  var voxels: Int
  var sensor: String
  var sensorIsEstimated: Bool
  var mountHeight: Double
  var seconds: Double
  var meanConfidence: ReportNumber
  /// The points of each class.
  var classes: [ClassCount]
  var density: DensityReport
  var outputs: [String]

  struct ClassCount: Encodable {
    var name: String
    var points: Int
  }

  init(
    _ file: SensedFile,
    _ found: SegmentedScan,
    map: LabelMap,
    density: DensityReport,
    seconds: Double,
    outputs: [String]
  ) {
    self.file = file.path
    format = file.reading.format
    rows = file.reading.rowCount
    points = file.scan.count
    voxels = found.voxelCount
    sensor = file.sensor.name
    sensorIsEstimated = file.estimation != nil
    mountHeight = file.sensor.mountHeight
    self.seconds = seconds
    self.density = density
    self.outputs = outputs
    var counts = [Int](repeating: 0, count: map.classCount)
    var (confidence, inside) = (0.0, 0)
    for (item, share) in zip(found.classes.elements, found.confidence.elements) {
      counts[Int(item)] += 1
      if item > 0 { (confidence, inside) = (confidence + Double(share), inside + 1) }
    }
    meanConfidence = ReportNumber(inside > 0 ? confidence / Double(inside) : .nan)
    classes = zip(map.classNames, counts).map { ClassCount(name: $0, points: $1) }
  }

  /// The report for people.
  func text(width: Int?) -> String {
    var table = Table(["class", .number("points"), .number("share")])
    for item in classes where item.points > 0 {
      let share = 100 * Double(item.points) / Double(max(points, 1))
      let name = item.name == classes[0].name ? "outside the volume" : item.name
      table.add(name, item.points.grouped, share.fixed(1) + " %")
    }
    let facts = [
      "\(file): \(points.grouped) of \(rows.counted("point")), \(voxels.counted("voxel")), "
        + "\(durationText(seconds)), mean confidence \(meanConfidence.value.fixed(2))",
      "sensor \(sensor) at \(mountHeight.fixed(2)) m"
        + (density.conclusion.map { ": \($0)" } ?? ""),
    ]
    return (facts + [table.text(width: width), outputs.joined(separator: ", "), ""])
      .joined(separator: "\n")
  }
}
