import Foundation
import TestSupport
import Testing

/// A run of a built program: its output, its errors and its exit code.
///
/// Both streams go to files, so that a test can look at them while the program runs.
final class Invocation {
  private let process = Process()
  private let folder: URL

  /// Starts the program.
  init(
    _ arguments: [String],
    of name: String = "apus-quantize",
    through shell: String? = nil,
    input: Pipe? = nil
  ) throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "apus-invocation-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in ["output", "error"] {
      try Data().write(to: folder.appending(path: name))
    }
    let program = try Self.program(name)
    process.executableURL = shell == nil ? program : URL(filePath: "/bin/sh")
    // The shell sees the program as $0 and its arguments as "$@".
    process.arguments = shell.map { ["-c", $0, program.path(percentEncoded: false)] } ?? []
    process.arguments? += arguments
    process.standardInput = input as Any? ?? FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: folder.appending(path: "output"))
    process.standardError = try FileHandle(forWritingTo: folder.appending(path: "error"))
    try process.runWithOpenSignals()
  }

  deinit {
    if process.isRunning { process.terminate() }
    try? FileManager.default.removeItem(at: folder)
  }

  /// The executable beside the test bundle.
  static func program(_ name: String) throws -> URL {
    let bundles = Bundle.allBundles.map(\.bundleURL).filter { $0.pathExtension == "xctest" }
    let starts = bundles + [CommandLine.arguments[0]].map { URL(filePath: $0) }
    let candidates = starts.map { $0.deletingLastPathComponent().appending(path: name) }
    let found = candidates.first { url in
      FileManager.default.isExecutableFile(atPath: url.path(percentEncoded: false))
    }
    return try #require(found, "\(name) is not built beside the tests: \(candidates)")
  }

  /// What standard output has by now.
  var output: String { text("output") }
  /// What standard error has by now.
  var error: String { text("error") }
  /// Whether the program still runs.
  var isRunning: Bool { process.isRunning }

  private func text(_ name: String) -> String {
    let data = (try? Data(contentsOf: folder.appending(path: name))) ?? Data()
    return String(decoding: data, as: UTF8.self)
  }

  /// Waits for the end; the exit code, or the negative number of the signal that ended it.
  @discardableResult
  func wait() -> Int32 {
    process.waitUntilExit()
    let status = process.terminationStatus
    return process.terminationReason == .uncaughtSignal ? -status : status
  }

  /// Sends a signal.
  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Looks every few milliseconds whether something has happened, for a minute at most.
  func waits(until condition: () -> Bool) -> Bool {
    for _ in 0..<12_000 {
      if condition() { return true }
      if !isRunning { return condition() }
      usleep(5_000)
    }
    return false
  }
}

/// How a run has ended.
struct Outcome {
  var status: Int32
  var output: String
  var error: String

  /// The lines of standard error.
  var errorLines: [String] { error.split(separator: "\n").map { String($0) } }

  /// The JSON document that is all of standard output.
  func document() throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
    return try #require(value as? [String: Any])
  }
}

/// Runs `apus-generate` to its end.
func apusGenerate(_ arguments: String..., through shell: String? = nil) throws -> Outcome {
  let invocation = try Invocation(arguments, of: "apus-generate", through: shell)
  let status = invocation.wait()
  return Outcome(status: status, output: invocation.output, error: invocation.error)
}

/// Runs `apus-quantize` to its end.
func apusQuantize(_ arguments: String..., through shell: String? = nil) throws -> Outcome {
  let invocation = try Invocation(arguments, through: shell)
  let status = invocation.wait()
  return Outcome(status: status, output: invocation.output, error: invocation.error)
}
