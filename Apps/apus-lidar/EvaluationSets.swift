import ArgumentParser
import Foundation
import PointCloud
import Support

/// What networks are measured on: the columns of the table.
struct EvaluationSetArguments: ParsableArguments {
  @Option(
    name: [.customShort("s"), .customLong("sensors")],
    help: ArgumentHelp(
      "Sensors that see the simulated test scenes. (default: \(defaults), without --data)",
      valueName: "list"
    )
  )
  var sensors: SensorList?

  @Option(help: "The number of test scenes.")
  var scenes = 24
  @Option(help: "The number of the first test scene.")
  var first = 5000
  @Option(help: "The seed of what the simulated sensors add.")
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      """
      Labelled scans: a file, with its labels in it, beside it as .label, or named behind a comma \
      (.label, _lidarseg.bin, _panoptic.npz), or a folder as SemanticKITTI has it. LABELS is \
      semantickitti (default), nuscenes, waymo or rellis. May be repeated.
      """,
      valueName: "SENSOR[:LABELS]=PATH[,FILE]"
    )
  )
  var data: [LabelledData] = []

  private static let defaults = "hdl64e,waymoTop,os1_128,hdl32e,vlp16"

  func validate() throws {
    try sensors?.validate()
    guard (1...SceneArguments.most).contains(scenes), (0...SceneArguments.most).contains(first)
    else { throw ValidationError("--scenes must be above 0, --first not below, at most 10⁹") }
  }

  /// The columns, in their order.
  func columns() throws -> [EvaluationSet] {
    let chosen = sensors ?? (data.isEmpty ? SensorList(argument: Self.defaults) : nil)
    let simulated = try (chosen?.choices ?? []).map { choice in
      try EvaluationSet(simulated: choice, scenes: first..<first + scenes, seed: seed)
    }
    let columns = try simulated + data.map { try $0.set() }
    let names = columns.map(\.name)
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw CommandFailure("two columns would be called \(twice); measure them apart")
    }
    return columns
  }
}

/// Labelled scans as they are typed: `hdl64e=scan.bin`, `os1_64:rellis=os1.bin`,
/// `hdl32e:nuscenes=scan.pcd.bin,token_lidarseg.bin`.
struct LabelledData: ExpressibleByArgument {
  let sensor: SensorChoice
  let labels: LabelSet
  let path: String
  /// The file of the labels, if it was named.
  let labelPath: String?

  private static let labelEndings = [".label", "_lidarseg.bin", ".npz"]

  init?(argument: String) {
    guard let sign = argument.firstIndex(of: "=") else { return nil }
    let paths = argument[argument.index(after: sign)...]
    if let comma = paths.lastIndex(of: ","), Self.labelEndings.contains(where: paths.hasSuffix) {
      (path, labelPath) = (String(paths[..<comma]), String(paths[paths.index(after: comma)...]))
    } else {
      (path, labelPath) = (String(paths), nil)
    }
    var name = String(argument[..<sign])
    var labels = LabelSet.semanticKITTI
    if let colon = name.lastIndex(of: ":") {
      guard let set = LabelSet(rawValue: String(name[name.index(after: colon)...])) else {
        return nil
      }
      labels = set
      name = String(name[..<colon])
    }
    guard let sensor = SensorChoice(argument: name), !path.isEmpty else { return nil }
    (self.sensor, self.labels) = (sensor, labels)
  }

  /// The scans, with raw labels.
  func set() throws -> EvaluationSet {
    let model = try sensor.model()
    let name = sensor.text + " " + path.fileStem
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure("no scans at \(path)")
    }
    if isFolder.boolValue {
      guard labelPath == nil else {
        throw CommandFailure("\(path) is a folder, of which no file of labels can be named")
      }
      let sequence =
        try FileManager.default.fileExists(atPath: path + "/velodyne")
        ? SemanticKITTISequence(folder: path)
        : SemanticKITTISequence(root: path, number: firstSequence)
      return EvaluationSet(name: name, labels: labels, sensor: model, count: sequence.count) {
        try sequence.scan(at: $0)
      }
    }
    let beside = String(path.dropLast(path.suffix(4) == ".bin" ? 4 : 0)) + ".label"
    let options = ScanReadingOptions(
      labelPath: labelPath ?? (FileManager.default.fileExists(atPath: beside) ? beside : nil),
      dropsZeros: true
    )
    let scan = try LidarScan(contentsOf: path, options: options)
    guard scan.labels != nil else {
      throw CommandFailure(
        "\(path) has no labels, nor is there \(beside); name their file: \(path),FILE"
      )
    }
    return EvaluationSet(name: name, labels: labels, sensor: model, count: 1) { _ in scan }
  }

  /// SemanticKITTI's validation sequence, or the first that `simulate` writes.
  private var firstSequence: Int {
    FileManager.default.fileExists(atPath: path + "/sequences/08") ? 8 : 0
  }
}

/// A column: scans of a sensor with raw labels.
struct EvaluationSet {
  let name: String
  let labels: LabelSet
  private let raw: ScanSet

  init(
    name: String,
    labels: LabelSet,
    sensor: BeamModel,
    count: Int,
    scan: @escaping (Int) throws -> LidarScan
  ) {
    (self.name, self.labels) = (name, labels)
    raw = ScanSet(name: name, of: sensor, count: count, scan: scan)
  }

  init(simulated choice: SensorChoice, scenes: Range<Int>, seed: UInt64) throws {
    name = choice.text
    labels = .semanticKITTI
    raw = ScanSet.simulated(
      name: choice.text,
      by: try choice.simulator(),
      scenes: scenes,
      seed: seed,
      classes: nil
    )
  }

  private init(_ other: EvaluationSet, _ raw: ScanSet) {
    (name, labels) = (other.name, other.labels)
    self.raw = raw
  }

  /// The same scans, made or read once.
  func cached() -> EvaluationSet { EvaluationSet(self, raw.cached()) }

  var sensor: BeamModel { raw.sensor }
  var count: Int { raw.count }

  /// The scans with the classes of a network.
  func scans(for model: PointSegmenter) throws -> ScanSet {
    let (map, raw) = (try model.labelMap(from: labels), raw)
    return ScanSet(name: name, of: raw.sensor, count: raw.count) { index in
      var scan = try raw.scan(index)
      scan.labels = scan.labels.map { map.classes(of: $0) }
      return scan
    }
  }
}
