import ArgumentParser
import Foundation
import PointCloud
import Support

/// `simulate`: labelled scans of streets.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Simulate labelled scans of streets with any sensor.",
    discussion: """
      A scene's number makes the street; all sensors see the same streets. The output is a folder as \
      SemanticKITTI has it, sequences/00/velodyne and labels, with sensor.json beside them; with \
      several sensors each has a folder of its own in it. Scans that are there already stay, so the same \
      command goes on after an interruption. An output that ends in .bin, .ply or .pcd is one scan; \
      beside .bin its labels are written as .label.

      EXAMPLES
        apus-lidar simulate --sensors vlp16 --output scan.ply
        apus-lidar simulate --sensors hdl64e --scenes 120 --output train
        apus-lidar simulate --sensors vlp16,vlp16@2.4,my32.json --scenes 24 --first 5000 --output test
        apus-lidar simulate --sensors vlp16 --strength 0.5 --scenes 24 --output dirty
      """
  )

  @Option(
    name: [.customShort("s"), .customLong("sensors"), .customLong("sensor")],
    help: ArgumentHelp("Sensors: names or JSON files, with commas.", valueName: "list")
  )
  var sensors: SensorList

  @Option(name: .shortAndLong, help: ArgumentHelp("The folder, or one file.", valueName: "path"))
  var output: String

  @Option(help: "The number of scenes.")
  var scenes = 1
  @Option(help: "The number of the first scene.")
  var first = 0
  @Option(help: "The seed of what the sensor adds: tilt and noise.")
  var seed: UInt64 = 0
  @Option(help: "The height of all sensors above the road in metres. (default: each one's own)")
  var mountHeight: Double?
  @Option(
    help: """
      How much light the sensors have to spare at 100 m; a hundredth is like a dirty window. (default: \
      what is typical of each, 40 to 120)
      """
  )
  var strength: Double?
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    try sensors.validate()
    if let strength, !(strength > 0 && strength <= 1e6) {
      throw ValidationError("--strength \(strength) must be above 0, at most 10⁶")
    }
    guard scenes > 0, first >= 0, scenes <= SceneArguments.most, first <= SceneArguments.most else {
      throw ValidationError("--scenes must be above 0, --first not below, both at most 10⁹")
    }
    if fileEnding != nil, scenes != 1 || sensors.choices.count != 1 {
      throw ValidationError(
        "a file takes one scene of one sensor; name a folder for \(scenes) of \(sensors)"
      )
    }
  }

  private var fileEnding: String? {
    [".bin", ".ply", ".pcd"].first { output.lowercased().hasSuffix($0) }
  }

  func run() throws {
    machine.apply()
    let simulators = try sensors.choices.map { choice in
      var simulator = try choice.simulator(mountHeight: mountHeight)
      simulator.returns.strength = strength ?? simulator.returns.strength
      return simulator
    }
    var summary = SimulationSummary(output: output, seed: seed, scans: [])
    let reporter = display.progress("simulating", unit: "scans")
    for (choice, simulator) in zip(sensors.choices, simulators) {
      let scans = ScanSet.simulated(
        by: simulator,
        scenes: first..<first + scenes,
        seed: seed,
        classes: nil
      )
      let folder = simulators.count > 1 ? output + "/" + choice.folderName : output
      let target = try fileEnding == nil ? SimulatedSequence(folder, simulator, seed: seed) : nil
      var report = SimulationSummary.Scans(choice.text, simulator.model, folder)
      for index in 0..<scenes {
        try Cancellation.check(
          "the scans that are done stay; run the same command to go on"
        )
        if target?.holds(first + index) == true {
          report.kept += 1
        } else {
          let scan = try scans.scan(index)
          report.written += 1
          report.points += scan.count
          try target?.write(scan, number: first + index) ?? writeFile(scan)
        }
        let done = summary.scans.reduce(index + 1) { $0 + $1.written + $1.kept }
        reporter.update(completed: done, total: scenes * simulators.count, note: choice.text)
      }
      summary.scans.append(report)
    }
    reporter.clear()
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }

  /// Writes one scan, as the ending of the output says.
  private func writeFile(_ scan: LidarScan) throws {
    switch fileEnding {
    case ".ply":
      let map = LabelMap.semanticKITTI19
      guard let labels = scan.labels else { return try scan.writePLY(to: output) }
      try scan.writePLY(to: output, coloredBy: map.classes(of: labels), of: map)
    case ".pcd": try scan.writePCD(to: output)
    default:
      try scan.writeKITTI(to: output)
      guard let labels = scan.labels else { return }
      try LabelFile(labels).write(to: String(output.dropLast(4)) + ".label")
    }
  }
}

extension SensorChoice {
  /// The sensor as the name of a folder.
  fileprivate var folderName: String {
    let name = source.contains("/") ? source.fileStem : source
    let height = mountHeight.map { "@\($0)" } ?? ""
    return (name.hasSuffix(".json") ? String(name.dropLast(5)) : name) + height
  }
}

/// A folder of simulated scans in SemanticKITTI's layout.
struct SimulatedSequence {
  static let sensorName = "sensor.json"
  private static let settingsName = "simulation.json"
  private let folder: String

  /// Makes the folder, or takes over one of the same sensor and seed.
  init(_ root: String, _ simulator: LidarSimulator, seed: UInt64) throws {
    folder = root + "/sequences/00"
    try makeOutputFolder(folder + "/velodyne")
    try makeOutputFolder(folder + "/labels")
    let settings = Settings(sensor: simulator.model, returns: simulator.returns, seed: seed)
    try SettingsFile.claim(settings, at: root + "/" + Self.settingsName, what: "simulation")
    try simulator.model.write(to: root + "/" + Self.sensorName)
  }

  private struct Settings: Encodable {
    var sensor: BeamModel
    var returns: SensorReturns
    var seed: UInt64
  }

  /// Whether a scene's scan is there; labels are written last.
  func holds(_ number: Int) -> Bool {
    FileManager.default.fileExists(atPath: path("labels", number, ".label"))
      && FileManager.default.fileExists(atPath: path("velodyne", number, ".bin"))
  }

  func write(_ scan: LidarScan, number: Int) throws {
    try scan.writeKITTI(to: path("velodyne", number, ".bin"))
    guard let labels = scan.labels else { return }
    try LabelFile(labels).write(to: path("labels", number, ".label"))
  }

  private func path(_ part: String, _ number: Int, _ ending: String) -> String {
    folder + "/" + part + "/" + String(format: "%06d", number) + ending
  }
}

/// What `simulate` did.
struct SimulationSummary: Encodable {
  var output: String
  var seed: UInt64
  var scans: [Scans]

  /// The scans of a sensor.
  struct Scans: Encodable {
    var sensor: String
    var mountHeight: Double
    var folder: String
    var written = 0
    var kept = 0
    /// Of the scans that were written.
    var points = 0

    init(_ name: String, _ model: BeamModel, _ folder: String) {
      (sensor, mountHeight, self.folder) = (name, model.mountHeight, folder)
    }
  }

  var table: Table {
    var table = Table([
      "sensor", .number("height"), .number("written"), .number("there before"),
      .number("points a scan"), "output",
    ])
    for item in scans {
      table.add(
        item.sensor,
        item.mountHeight.fixed(2) + " m",
        item.written.grouped,
        item.kept.grouped,
        item.written > 0 ? (item.points / item.written).grouped : "—",
        item.folder
      )
    }
    return table
  }
}
