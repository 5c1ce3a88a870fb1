import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import FederatedFlower

/// A real server of Flower in processes of its own, out of a Python environment that has it.
///
/// `APUS_FLOWER_PYTHON` names the interpreter, or the folder of its virtual environment; make one
/// with `python3 -m venv V && V/bin/pip install 'flwr>=1.40,<1.43'`.
struct SuperLink: Sendable {
  /// The folder of the environment's programs; nil where there is none with Flower.
  static let programs: String? = {
    guard let given = ProcessInfo.processInfo.environment["APUS_FLOWER_PYTHON"] else { return nil }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: given, isDirectory: &isFolder) else { return nil }
    let folder =
      isFolder.boolValue
      ? given + "/bin" : URL(fileURLWithPath: given).deletingLastPathComponent().path
    let server = folder + "/flower-superlink"
    return FileManager.default.isExecutableFile(atPath: server) ? folder : nil
  }()

  static let isThere = programs != nil
  static let skipMessage: Comment =
    "needs Python with flwr 1.40 to 1.42: set APUS_FLOWER_PYTHON to the interpreter or its environment"

  enum Security: Sendable { case open, authenticated }

  let folder: String
  let port: Int
  let security: Security
  private let server: Program

  var address: String { "\(security == .open ? "http" : "https")://127.0.0.1:\(port)" }
  /// The certificate of the authority that signed the server's.
  var authority: String? { security == .open ? nil : folder + "/ca.pem" }

  /// Starts a server in `folder`, calls `body`, and ends the server.
  static func run(
    in folder: String,
    security: Security = .open,
    _ body: (SuperLink) async throws -> Void
  ) async throws {
    let link = try await SuperLink(folder, security)
    do {
      try await link.waitUntilReady()
      try await body(link)
    } catch {
      Issue.record("\(link.lastLines("superlink.log"))\n\(link.lastLines("run.log"))")
      await link.server.end()
      throw error
    }
    await link.server.end()
  }

  private init(_ folder: String, _ security: Security) async throws {
    self.folder = folder
    self.security = security
    port = try freePort()
    try FileManager.default.createDirectory(
      atPath: folder + "/home",
      withIntermediateDirectories: true
    )
    var settings = "[superlink]\ndefault = \"lab\"\n\n[superlink.lab]\n"
    settings += "address = \"127.0.0.1:\(port)\"\n"
    var arguments = [
      "--host", "127.0.0.1", "--port", "\(port)", "--disable-runtime-dependency-installation",
    ]
    switch security {
    case .open:
      settings += "insecure = true\n"
      arguments += ["--insecure"]
    case .authenticated:
      let script = Fixtures.checkout + "/Tools/peers/flower/certificates.py"
      try await Self.program("python", [script, folder], folder, log: "certificates.log").finish()
      settings += "root-certificates = \"\(folder)/ca.pem\"\n"
      arguments += ["--ssl-ca-certfile", folder + "/ca.pem", "--enable-supernode-auth"]
      arguments += ["--ssl-certfile", folder + "/server.pem"]
      arguments += ["--ssl-keyfile", folder + "/server.key"]
    }
    try settings.write(toFile: folder + "/home/config.toml", atomically: true, encoding: .utf8)
    server = try Self.program("flower-superlink", arguments, folder, log: "superlink.log")
  }

  private static func program(
    _ name: String,
    _ arguments: [String],
    _ folder: String,
    log: String
  ) throws -> Program {
    let programs = try #require(programs)
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = programs + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
    environment["FLWR_HOME"] = folder + "/home"
    environment["FLWR_TELEMETRY_ENABLED"] = "0"
    environment["FLWR_DISABLE_UPDATE_CHECK"] = "1"
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return try Program(
      programs + "/" + name,
      arguments,
      environment: environment,
      log: folder + "/" + log
    )
  }

  private func waitUntilReady() async throws {
    for _ in 0..<600 {
      if isListening(port) { return }
      try await Task.sleep(for: .milliseconds(200))
    }
    Issue.record("the server does not listen")
  }

  /// Registers a node's public key, as an operator does.
  func register(_ identity: FlowerIdentity) async throws {
    let path = folder + "/\(UUID().uuidString).pub"
    try (identity.publicKeyOpenSSH + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    try await Self.program(
      "flwr",
      ["supernode", "register", path, "lab"],
      folder,
      log: "register.log"
    ).finish()
  }

  /// Runs the application of `Tools/peers/flower` to its end.
  func rounds(
    _ count: Int,
    strategy: String,
    model: [(String, FlowerArray)],
    layout: String = "{}"
  ) async throws -> (arrays: [FlowerArray], report: JSONValue) {
    try write(model, layout, to: folder + "/initial")
    let config =
      "initial='\(folder)/initial' output='\(folder)/output' rounds=\(count) "
      + "strategy='\(strategy)'"
    let application = Fixtures.checkout + "/Tools/peers/flower"
    try await Self.program(
      "flwr",
      ["run", application, "lab", "--stream", "--run-config", config],
      folder,
      log: "run.log"
    ).finish()
    let arrays = try model.indices.map { place in
      let path = folder + "/output/\(place).npy"
      return try FlowerArray(npy: Array(Data(contentsOf: URL(fileURLWithPath: path))), id: path)
    }
    let report = try Data(contentsOf: URL(fileURLWithPath: folder + "/output/report.json"))
    return (arrays, try JSONValue.parse(report))
  }

  private func write(_ model: [(String, FlowerArray)], _ layout: String, to path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (place, pair) in model.enumerated() {
      try Data(pair.1.npy).write(to: URL(fileURLWithPath: path + "/\(place).npy"))
    }
    let names = "[" + model.map { PythonJSON.string($0.0) }.joined(separator: ", ") + "]"
    try names.write(toFile: path + "/names.json", atomically: true, encoding: .utf8)
    try layout.write(toFile: path + "/layout.json", atomically: true, encoding: .utf8)
  }

  private func lastLines(_ log: String) -> String {
    let text = (try? String(contentsOfFile: folder + "/" + log, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").suffix(40).joined(separator: "\n")
  }
}

/// A program that runs beside the test.
private final class Program: Sendable {
  private let process: Process
  private let name: String
  private let log: String
  private let ended: AsyncStream<Int32>

  init(
    _ path: String,
    _ arguments: [String],
    environment: [String: String],
    log: String
  ) throws {
    try Data().write(to: URL(fileURLWithPath: log))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = environment
    let output = try #require(FileHandle(forWritingAtPath: log))
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    let (ended, end) = AsyncStream<Int32>.makeStream()
    process.terminationHandler = { end.yield($0.terminationStatus) }
    try process.runWithOpenSignals()
    self.process = process
    self.ended = ended
    self.log = log
    name = path
  }

  /// Waits for the end, which must be a good one.
  func finish() async throws {
    for await status in ended {
      if status != 0 {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        Issue.record("\(name) ended with \(status): \(text.suffix(3000))")
      }
      return
    }
  }

  func end() async {
    process.terminate()
    for await _ in ended { return }
  }
}

private func makeSocket(_ port: Int) -> (Int32, sockaddr_in) {
  #if canImport(Glibc)
    let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  #else
    let number = socket(AF_INET, SOCK_STREAM, 0)
  #endif
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  return (number, address)
}

/// A port of the loopback that nobody listens on.
private func freePort() throws -> Int {
  var (number, address) = makeSocket(0)
  defer { close(number) }
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let status = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      bind(number, address, length) == 0 ? getsockname(number, address, &length) : -1
    }
  }
  try #require(status == 0)
  return Int(UInt16(bigEndian: address.sin_port))
}

private func isListening(_ port: Int) -> Bool {
  var (number, address) = makeSocket(port)
  defer { close(number) }
  return withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      connect(number, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
}
