import Foundation

/// A reader, sound inputs to begin with, and the words of its format.
struct FuzzTarget: Sendable {
  /// By what it is chosen.
  let name: String
  /// Words that no blind change would hit on.
  var words: [String] = []
  /// Sound inputs.
  let seeds: @Sendable () throws -> [[UInt8]]
  /// Reads an input, and uses what was read as a program would.
  let read: @Sendable (_ bytes: [UInt8]) throws -> Void

  /// Every reader of files, texts and messages from outside.
  static let all: [FuzzTarget] =
    checkpoints + training + models + adapters + packed + points + pictures + grounding + remote
    + browser + novelty + federated + service + flower + serve

  /// The target that `APUS_FUZZ_TARGET` names.
  static let chosen: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["APUS_FUZZ_TARGET"] ?? ""
    guard let target = all.first(where: { $0.name == name }) else {
      stop("APUS_FUZZ_TARGET is '\(name)'; there are \(all.map(\.name).joined(separator: ", "))")
    }
    return target
  }()

  /// Writes the seeds as files of a folder, and the words beside it, as libFuzzer reads them.
  func writeSeeds(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (number, seed) in try seeds().enumerated() {
      try Data(seed).write(to: URL(filePath: "\(folder)/seed-\(number)"))
    }
    let lines = words.map { word in
      "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        + "\"\n"
    }
    try Data(lines.joined().utf8).write(to: URL(filePath: folder + ".dictionary"))
  }
}
