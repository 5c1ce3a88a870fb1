import Autograd
import Foundation
import PointCloud
import Support

/// What decides the numbers of a run: `run.json` in its folder.
struct TrainedRun: Codable, Hashable {
  /// The row in tables: runs of one name differ by their seed alone.
  var name: String
  var configuration: SegmenterConfiguration
  var training: SegmentationTrainingOptions
  /// Where the scans come from.
  var scans: [String: String]
  /// The sensor of the scans.
  var sensor: BeamModel
  var version = "0.1.0"

  static let fileName = "run.json"
  static let weightsName = "model.safetensors"

  /// The settings in a folder; nil if it has none.
  static func read(_ folder: String) throws -> TrainedRun? {
    let path = folder + "/" + fileName
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    do { return try JSONDecoder().decode(TrainedRun.self, from: data) } catch {
      throw CommandFailure("\(path) is not of 'apus-lidar train'; choose another folder")
    }
  }

  /// Whether another run differs by its seed alone.
  func isRepeated(by other: TrainedRun) -> Bool {
    var other = other
    other.training.seed = training.seed
    return other == self
  }

  /// The name that the log has for the mean IoU on a sensor.
  static func metric(of sensor: String) -> String { "mIoU " + sensor }

  /// The sensor of such a name.
  static func sensor(ofMetric name: String) -> String? {
    name.hasPrefix("mIoU ") ? String(name.dropFirst(5)) : nil
  }
}

/// What a `train` did.
struct TrainingSummary: Encodable {
  var run: TrainedRun
  var parameterCount: Int
  var step: Int
  var loss: ReportNumber?
  /// The mean IoU of each sensor when it was last measured.
  var meanIntersectionsOverUnions: [String: ReportNumber]
  /// Of all sessions.
  var seconds: Double
  var peakProcessBytes: Int?
  var model: String

  init(_ run: TrainedRun, _ model: PointSegmenter, _ log: [RunRecord], folder: String) {
    self.run = run
    parameterCount = model.parameterCount.total
    step = log.last?.step ?? 0
    loss = log.last?.metrics["loss"].map { ReportNumber($0) }
    meanIntersectionsOverUnions = [:]
    for (name, value) in log.flatMap(\.metrics) {
      guard let sensor = TrainedRun.sensor(ofMetric: name) else { continue }
      meanIntersectionsOverUnions[sensor] = ReportNumber(value)
    }
    seconds = log.last?.seconds ?? 0
    peakProcessBytes = log.compactMap(\.memory.residentBytes).max()
    self.model = folder + "/" + TrainedRun.weightsName
  }

  private var facts: [(String, String)] {
    var facts = [
      ("name", run.name), ("sensor", run.sensor.name),
      ("scans", run.scans["scans"] ?? ""), ("parameters", parameterCount.grouped),
      ("steps", step.grouped), ("loss", loss?.value.fixed(4) ?? "—"),
    ]
    for (sensor, value) in meanIntersectionsOverUnions.sorted(by: { $0.key < $1.key }) {
      facts.append(("mIoU \(sensor)", (100 * value.value).fixed(1) + " %"))
    }
    facts.append(("time", durationText(seconds)))
    if let peakProcessBytes { facts.append(("memory, most", byteCount(peakProcessBytes))) }
    facts.append(("model", model))
    return facts
  }

  var table: Table {
    var table = Table(["result", .number("value")])
    for (name, value) in facts { table.add(name, value) }
    return table
  }

  /// The page: curves and settings.
  func page(_ log: [RunRecord]) -> ReportPage {
    var page = ReportPage(title: run.name)
    page.add(table: table.columns.map(\.title), rows: table.rows)
    let curves = CurveReport.Run(name: "training", records: log)
    page.add(chart("loss", [curves.series(of: "loss")], smoothing: 0.9))
    let sensors = meanIntersectionsOverUnions.keys.sorted()
    if !sensors.isEmpty {
      let measured = sensors.map { sensor in
        var series = curves.series(of: TrainedRun.metric(of: sensor))
        series.name = sensor
        for index in series.points.indices { series.points[index].y *= 100 }
        return series
      }
      page.add(chart("mIoU in percent, absent classes as 0", measured))
    }
    for metric in ["gradient norm", "learning rate", "voxels"] {
      page.add(chart(metric, [curves.series(of: metric)]))
    }
    page.add(heading: "Settings")
    page.add(table: ["setting", "value"], rows: settings)
    return page
  }

  private func chart(
    _ title: String,
    _ series: [CurveSeries],
    smoothing: Double = 0
  ) -> CurveChart {
    CurveChart(title: title, horizontal: "step", smoothing: smoothing, series: series)
  }

  private var settings: [[String]] {
    let (network, options) = (run.configuration, run.training)
    var rows = [
      ["classes", network.classNames.dropFirst().joined(separator: ", ")],
      ["voxel", "\(network.voxelSize) m"],
      ["volume", "x \(network.crop.x), y \(network.crop.y), z \(network.crop.z) m"],
      ["density", network.density.rawValue],
      ["grid stands on the road", network.alignsGround ? "yes" : "no"],
      ["sensor's height", "\(run.sensor.mountHeight) m"],
      ["batch", "\(options.batchSize) × \(options.accumulation)"],
      ["learning rate", "\(options.learningRate), \(options.schedule.rawValue)"],
      ["beams removed", options.augmentation.sampling == nil ? "no" : "yes"],
      ["scans mixed", options.augmentation.mix == nil ? "no" : "yes"],
      ["seed", "\(options.seed)"],
    ]
    rows += run.scans.sorted { $0.key < $1.key }.map { [$0.key, $0.value] }
    return rows
  }
}
