import ArgumentParser
import Foundation
import PointCloud
import Support

/// Which scans a network is trained on.
struct TrainingScanArguments: ParsableArguments {
  @Option(help: ArgumentHelp("A folder as SemanticKITTI has it.", valueName: "folder"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Its sequences, with commas. (default: those of the training set that are there)",
      valueName: "list"
    )
  )
  var sequences: String?

  @Option(help: "Train on so many simulated scenes, in place of --data.")
  var simulated: Int?

  @Option(help: "The number of the first simulated scene.")
  var first = 0

  @Option(help: "The seed of what the simulated sensor adds.")
  var simulationSeed: UInt64 = 0

  @Option(
    name: .shortAndLong,
    help: "The sensor: a name or a JSON file. (default: sensor.json in the folder, or hdl64e)"
  )
  var sensor: SensorChoice?

  @Option(help: "The sensor's height above the road in metres. (default: the sensor's)")
  var mountHeight: Double?

  @Option(help: "How much memory scans may take that are kept for later steps, in MB.")
  var cache = 1024

  func validate() throws {
    guard (data == nil) != (simulated == nil) else {
      throw ValidationError("give scans with either --data FOLDER or --simulated COUNT")
    }
    guard (1...SceneArguments.most).contains(simulated ?? 1),
      (0...SceneArguments.most).contains(first)
    else { throw ValidationError("--simulated must be above 0, --first not below, at most 10⁹") }
    guard (0...1 << 20).contains(cache) else {
      throw ValidationError("--cache \(cache) must be 0 to \(1 << 20) MB")
    }
    if sequences != nil, data == nil {
      throw ValidationError("--sequences belongs to --data; leave it out")
    }
    if let sequences, numbers(sequences) == nil {
      throw ValidationError("--sequences \(sequences) must be numbers with commas between them")
    }
  }

  private func numbers(_ text: String) -> [Int]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }.filter { $0 >= 0 }
    return numbers.count == parts.count && !numbers.isEmpty ? numbers : nil
  }

  /// The scans with classes of a map as labels.
  func scans(_ map: LabelMap) throws -> ScanSet {
    let set = try data.map { try recorded($0, map) } ?? simulatedScans(map)
    return set.cached(byteCount: cache << 20)
  }

  private func simulatedScans(_ map: LabelMap) throws -> ScanSet {
    guard let choice = sensor ?? SensorChoice(argument: BeamModel.hdl64e.name) else {
      throw CommandFailure("the sensor has no name")
    }
    return ScanSet.simulated(
      by: try choice.simulator(mountHeight: mountHeight),
      scenes: first..<first + (simulated ?? 0),
      seed: simulationSeed,
      classes: map
    )
  }

  private func recorded(_ folder: String, _ map: LabelMap) throws -> ScanSet {
    let set = ScanSet.labelled(
      try recordedSequences(folder),
      of: try recordedSensor(folder),
      classes: map
    )
    guard set.count > 0 else {
      throw CommandFailure(
        "\(folder) has no labelled scan: labels/NAME.label beside velodyne/NAME.bin"
      )
    }
    return set
  }

  private func recordedSequences(_ folder: String) throws -> [SemanticKITTISequence] {
    if let sequences {
      let chosen = numbers(sequences) ?? []
      return try chosen.map { try SemanticKITTISequence(root: folder, number: $0) }
    }
    let there = SemanticKITTISequence.trainingNumbers.filter { number in
      let name = (number < 10 ? "0" : "") + "\(number)"
      return FileManager.default.fileExists(atPath: folder + "/sequences/" + name)
    }
    guard !there.isEmpty else {
      throw CommandFailure(
        "\(folder) has none of SemanticKITTI's training sequences (sequences/00 and so on); name "
          + "those it has with --sequences"
      )
    }
    return try there.map { try SemanticKITTISequence(root: folder, number: $0) }
  }

  private func recordedSensor(_ folder: String) throws -> BeamModel {
    let path = folder + "/" + SimulatedSequence.sensorName
    let stored = FileManager.default.fileExists(atPath: path) ? path : BeamModel.hdl64e.name
    guard let choice = sensor ?? SensorChoice(argument: stored) else {
      throw CommandFailure("the sensor has no name")
    }
    return try choice.model(mountHeight: mountHeight)
  }

  /// What is trained on, for `run.json`: what decides the scans.
  func description(of scans: ScanSet) -> [String: String] {
    var text = ["scans": "\(scans.count)"]
    if let data {
      text["folder"] = data
      text["sequences"] = sequences ?? "training"
    } else {
      text["first scene"] = "\(first)"
      text["simulation seed"] = "\(simulationSeed)"
    }
    return text
  }
}
