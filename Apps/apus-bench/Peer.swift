import Checkpoints
import Foundation

/// The reference: a Python process with torch that measures itself when it is told to.
///
/// It speaks one JSON object a line; the orders are described in Tools/peers/torch_peer.py.
final class Peer {
  /// The implementations that it measures, and their names in the report.
  private(set) var variants: [String: String] = [:]
  /// The instruction set that torch uses.
  private(set) var capability = ""
  private let python: String
  private let threads: Int
  private let process = Process()
  private let orders = Pipe()
  private let answers = Pipe()
  private var pending = Data()

  /// What was found: a peer, or the reason why there is none.
  enum Outcome {
    case found(Peer)
    case missing(String)
  }

  /// The peer of `python`, of the environment's APUS_PEER_PYTHON, or of a `python3` that has torch.
  ///
  /// What was named must work; what was only looked for may be missing.
  static func find(python: String?, threads: Int) throws -> Outcome {
    if python == "none" { return .missing("it was not wanted") }
    let named = python ?? ProcessInfo.processInfo.environment["APUS_PEER_PYTHON"]
    if let named, !named.isEmpty { return .found(try Peer(python: named, threads: threads)) }
    guard runs(["python3", "-c", "import torch, numpy, safetensors"]) else {
      return .missing("python3 has no torch, numpy and safetensors (see Docs/Benchmarks.md)")
    }
    return .found(try Peer(python: "python3", threads: threads))
  }

  private init(python: String, threads: Int) throws {
    (self.python, self.threads) = (python, threads)
    guard Self.runs([python, "-c", "import torch, numpy, safetensors"]) else {
      throw BenchError.peerUnusable(
        python: python,
        reason: "it cannot import torch, numpy and safetensors"
      )
    }
    // A benchmark runs from the checkout that built it, where the scripts lie beside the sources.
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let script = root.appendingPathComponent("Tools/peers/torch_peer.py").path
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, script, "\(threads)"]
    process.environment = Self.plainEnvironment
    process.standardInput = orders
    process.standardOutput = answers
    try process.run()
    let greeting = try ask(["do": "hello"])
    for (key, title) in greeting["variants"]?.objectValue?.pairs ?? [] {
      variants[key] = title.stringValue
    }
    capability = greeting["capability"]?.stringValue ?? ""
  }

  deinit {
    // The end of its input ends the process.
    try? orders.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// A second process like this one, which nothing has run in yet.
  func fresh() throws -> Peer { try Peer(python: python, threads: threads) }

  /// The number of the process.
  var processIdentifier: Int32 { process.processIdentifier }

  /// Sends one order and waits for the answer.
  func ask(_ order: JSONObject) throws -> JSONValue {
    let line = JSONValue.object(order).serialized() + "\n"
    try orders.fileHandleForWriting.write(contentsOf: Data(line.utf8))
    let answer = try JSONValue.parse(try readLine())
    if let fault = answer["error"]?.stringValue { throw BenchError.peerFailed(fault) }
    return answer
  }

  /// Prepares a case; about the seconds of one call for each variant that knows it.
  func load(_ item: JSONObject) throws -> [String: Double] {
    let answer = try ask(["do": "load", "case": .object(item)])
    let pairs = answer["estimates"]?.objectValue?.pairs ?? []
    return Dictionary(uniqueKeysWithValues: pairs.map { ($0, $1.doubleValue ?? .nan) })
  }

  /// Seconds per call of the case at hand, for each of `repeats` bunches of `inner` calls.
  ///
  /// With `warm` there is a call before them that is not timed.
  func run(_ variant: String, repeats: Int, inner: Int, warm: Bool) throws -> [Double] {
    let answer = try ask([
      "do": "run", "variant": .string(variant), "repeats": .integer(Int64(repeats)),
      "inner": .integer(Int64(inner)), "warm": .bool(warm),
    ])
    return (answer["seconds"]?.arrayValue ?? []).compactMap(\.doubleValue)
  }

  /// The environment without what would tie the libraries to another machine's settings: an
  /// OPENBLAS_CORETYPE left over from elsewhere halves the speed of the reference.
  private static var plainEnvironment: [String: String] {
    let prefixes = ["OPENBLAS_", "MKL_", "OMP_", "GOMP_", "KMP_", "ATEN_", "ONEDNN_", "DNNL_"]
    return ProcessInfo.processInfo.environment.filter { name, _ in
      !prefixes.contains { name.hasPrefix($0) }
    }
  }

  private func readLine() throws -> Data {
    while true {
      if let end = pending.firstIndex(of: 0x0A) {
        let line = Data(pending[..<end])
        pending = Data(pending[(end + 1)...])
        return line
      }
      let more = answers.fileHandleForReading.availableData
      guard !more.isEmpty else { throw BenchError.peerFailed("it ended") }
      pending += more
    }
  }

  private static func runs(_ command: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}

extension JSONObject {
  /// Keys and values in order.
  var pairs: [(String, JSONValue)] { Array(zip(keys, values)) }
}
