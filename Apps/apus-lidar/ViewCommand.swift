import ArgumentParser
import Checkpoints
import Foundation
import PointCloud
import Support
import Tensor

/// `view`: a page that turns the points.
struct ViewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "view",
    abstract: "Make a page that shows a scan in a browser.",
    discussion: """
      The page is one HTML file that loads nothing; it turns the points by mouse, touch and keys. Labels \
      are those of --labels or of the file itself (raw ids of --label-set), or what --model says. \
      A page has about 10 bytes a point.

      EXAMPLES
        apus-lidar view predictions/scan.ply --output scan.html
        apus-lidar view scan.bin --labels predictions/scan.label --output scan.html
        apus-lidar view scan.pcd --sensor vlp16 --model run --color-by label density --output scan.html
      """
  )

  /// What points are colored by.
  enum Coloring: String, CaseIterable, ExpressibleByArgument {
    case label, density, height, intensity
  }

  @Argument(help: "A scan.")
  var file: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The page.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("The labels of the points: .label.", valueName: "file"))
  var labels: String?
  @Option(help: "What raw labels are: semantickitti, nuscenes, waymo or rellis.")
  var labelSet = LabelSet.semanticKITTI
  @Option(help: "The classes that raw labels are shown as: common (ten) or own (the data set's).")
  var classes = ShownClasses.common
  @Option(
    parsing: .upToNextOption,
    help: """
      What the page offers to color by: label, density, height, intensity. (default: label if there \
      are any, and height)
      """
  )
  var colorBy: [Coloring] = []
  @Option(help: "The most points; of more every n-th is shown.")
  var points = 1_000_000
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Reading") var reading: ReadingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  /// Which classes labels are shown as.
  enum ShownClasses: String, CaseIterable, ExpressibleByArgument {
    case common, own
  }

  func validate() throws {
    guard (1...20_000_000).contains(points) else {
      throw ValidationError("--points \(points) must be 1 to 20,000,000")
    }
    if labels != nil, model.model != nil {
      throw ValidationError("--labels and --model both give the labels; leave one of them out")
    }
    if classes == .own, labelSet == .waymo || labelSet == .rellis {
      throw ValidationError("--classes own has no colors for \(labelSet.rawValue); leave it out")
    }
    if Set(colorBy).count != colorBy.count {
      throw ValidationError("--color-by lists the same twice")
    }
  }

  func run() throws {
    machine.apply()
    let network = try model.model == nil ? nil : model.load()
    let scan: LidarScan
    var sensor: BeamModel?
    if network != nil || colorBy.contains(.density) {
      let file = try reading.read(file, labels: labels)
      if !display.quiet { try file.writeNotes() }
      (scan, sensor) = (file.scan, file.sensor)
    } else {
      scan = try reading.scan(file, labels: labels)
    }
    guard scan.count > 0 else { throw CommandFailure("\(file) has no point to show") }
    var cloud = ViewerCloud(scan, title: URL(filePath: file).lastPathComponent, limit: points)
    let labelled = try shownLabels(scan, network, sensor)
    let first: [Coloring] = labelled == nil ? [] : [.label]
    for coloring in colorBy.isEmpty ? first + [.height] : colorBy {
      try add(coloring, to: &cloud, scan, labelled, sensor)
    }
    try AtomicFile.write(try ViewerPage(cloud: cloud).html(), to: output)
    try show(cloud)
  }

  private func add(
    _ coloring: Coloring,
    to cloud: inout ViewerCloud,
    _ scan: LidarScan,
    _ labelled: (classes: Tensor<Int32>, map: LabelMap)?,
    _ sensor: BeamModel?
  ) throws {
    switch coloring {
    case .label:
      guard let labelled else {
        throw CommandFailure("\(file) has no labels; give --labels or --model")
      }
      cloud.add(classes: labelled.classes, of: labelled.map)
    case .density:
      guard let sensor else { return }
      let density = BeamDensity(sensor)(scan).elements
      let finest = stride(from: 0, to: density.count, by: BeamDensity.channelCount)
      cloud.add("density", unit: "", finest.map { density[$0] })
    case .height: cloud.addHeights(scan)
    case .intensity:
      guard let intensity = scan.intensity else {
        throw CommandFailure("\(file) has no intensity; color by something else")
      }
      cloud.add("intensity", unit: "", intensity.elements)
    }
  }

  /// The classes of the points; nil if nothing tells them.
  private func shownLabels(
    _ scan: LidarScan,
    _ network: PointSegmenter?,
    _ sensor: BeamModel?
  ) throws -> (classes: Tensor<Int32>, map: LabelMap)? {
    if let network, let sensor {
      let map = try network.labelMap(from: labelSet)
      return (try network.segment(scan, of: sensor).classes, map)
    }
    guard let raw = scan.labels else { return nil }
    let own = labelSet == .nuScenes ? LabelMap.nuScenes16 : .semanticKITTI19
    let map = classes == .own ? own : .common(from: labelSet)
    return (map.classes(of: raw), map)
  }

  private func show(_ cloud: ViewerCloud) throws {
    let size = (try? FileManager.default.attributesOfItem(atPath: output))?[.size] as? NSNumber
    let report = PageReport(
      file: file,
      page: output,
      points: cloud.count,
      pageBytes: size?.intValue ?? 0,
      layers: cloud.layers.map(\.name)
    )
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(report)
        : "\(output): \(report.points.counted("point")), \(byteCount(report.pageBytes)), by "
          + report.layers.joined(separator: " and ")
          + (cloud.layers.contains { $0.name == "label" } ? source : "")
    )
  }

  /// Who says the labels.
  private var source: String {
    if let model = model.model { return "; labels are what \(model) says" }
    return "; labels are those of \(labels ?? "the file itself")"
  }

  private struct PageReport: Encodable {
    var file: String
    var page: String
    var points: Int
    var pageBytes: Int
    var layers: [String]
  }
}
