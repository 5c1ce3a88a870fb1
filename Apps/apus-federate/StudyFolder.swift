import Checkpoints
import Federated
import Foundation
import Support

/// The folder of a study: one report for each configuration and seed.
struct StudyFolder {
  let path: String

  init(_ path: String) throws(CommandFailure) {
    self.path = path
    try makeOutputFolder(path)
  }

  private func file(_ task: String, _ name: String, _ seed: UInt64) -> String {
    "\(path)/\(task)-\(name)-\(seed).json"
  }

  /// The report of a configuration; nil if there is none, or it is of other settings or another task.
  func report(
    _ configuration: SimulationConfiguration,
    task: TaskIdentity,
    _ seed: UInt64
  ) throws -> SimulationReport? {
    let path = file(task.name, configuration.name, seed)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let report = try ReportFile.read(path)
    return report.configuration == configuration && report.identity == task ? report : nil
  }

  func add(_ report: SimulationReport) throws {
    try AtomicFile.write(
      try jsonText(report) + "\n",
      to: file(report.task, report.name, report.seed)
    )
  }
}

/// Reports of runs on the disk.
enum ReportFile {
  static func read(_ path: String) throws(CommandFailure) -> SimulationReport {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      let report = try decoder.decode(SimulationReport.self, from: data)
      guard report.rounds.allSatisfy({ $0.round >= 0 && $0.round < .max }) else {
        throw CommandFailure("\(path.printable) has rounds with impossible numbers")
      }
      return report
    } catch let failure as CommandFailure {
      throw failure
    } catch is DecodingError {
      throw CommandFailure("\(path.printable) is no report of a simulation, or is cut off")
    } catch {
      throw CommandFailure("cannot read \(path.printable): \(error.localizedDescription)")
    }
  }
}
