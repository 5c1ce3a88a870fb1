import Foundation
import TestSupport
import Testing

/// The openssl command, where there is one.
private let opensslPath = ["/usr/bin/openssl", "/opt/homebrew/bin/openssl"].first {
  FileManager.default.isExecutableFile(atPath: $0)
}

/// `apus-federate serve` and `apus-device` over TLS: a server and devices in processes of their own.
@Suite struct FederateTests {
  private func run(_ arguments: [String], of program: String = "apus-device") throws -> Outcome {
    let invocation = try Invocation(arguments + ["--threads", "1"], of: program)
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// Calls openssl, which says nothing where all is well.
  private func openssl(_ arguments: String, in folder: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: try #require(opensslPath))
    process.arguments = arguments.split(separator: " ").map { String($0) }
    process.currentDirectoryURL = URL(filePath: folder)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "openssl \(arguments)")
  }

  /// An authority (ca.pem), the certificate of a server at 127.0.0.1 that it signed (server.pem,
  /// server.key), and an authority that signed nothing (other.pem).
  private func makeCertificates(in folder: String) throws {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    for (name, title) in [("ca", "authority"), ("other", "stranger")] {
      let subject = "-days 2 -subj /CN=apus-test-\(title)"
      try openssl("req -x509 \(key) -keyout \(name).key -out \(name).pem \(subject)", in: folder)
    }
    try openssl("req \(key) -keyout server.key -out server.csr -subj /CN=127.0.0.1", in: folder)
    try "subjectAltName=IP:127.0.0.1\n".write(
      toFile: folder + "/names",
      atomically: true,
      encoding: .utf8
    )
    try openssl(
      "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names "
        + "-out server.pem",
      in: folder
    )
  }

  /// Starts the server; returns when it listens, with its address.
  private func start(_ arguments: [String]) throws -> (server: Invocation, address: String) {
    let server = try Invocation(arguments + ["--threads", "1"], of: "apus-federate")
    var address: String?
    let listens = server.waits {
      let words = server.error.split(whereSeparator: \.isWhitespace)
      // The whole line, not the beginning of a number.
      guard server.error.hasSuffix("\n") else { return false }
      address = words.first { $0.hasPrefix("https://") }.map { String($0) }
      return address != nil
    }
    try #require(listens, "\(server.error)")
    return (server, try #require(address))
  }

  @Test(
    .timeLimit(.minutes(10)),
    .enabled(if: opensslPath != nil, "needs the openssl command, to make certificates")
  )
  func enrolledDevicesTrainOverTLS() throws {
    try withTemporaryFolder { folder in
      try VisionCommandTests.makeImages(in: folder)
      try makeCertificates(in: folder)
      // The devices of one process: their keys are made beforehand, for the server's list.
      let lines = try (0..<2).map { index in
        let arguments = ["https://127.0.0.1:1", folder, "--public-key"]
        let key = ["--name", "meter-\(index)", "--key", folder + "/key-\(index)"]
        let outcome = try run(arguments + key)
        #expect(outcome.status == 0, "\(outcome.error)")
        // The other program with the same command reads the same key.
        let same = try run(["device"] + arguments + key, of: "apus-federate")
        #expect(same.output == outcome.output, "\(same.error)")
        return outcome.output
      }
      try lines.joined().write(toFile: folder + "/list", atomically: true, encoding: .utf8)
      let (server, address) = try start([
        "serve", folder, "--hidden", "8", "--devices", folder + "/list", "--port", "0",
        "--certificate", folder + "/server.pem", "--key", folder + "/server.key",
        "--rounds", "1", "--wait-for", "2", "--output", folder + "/state",
      ])

      let device = [address, folder, "--hidden", "8"]
      // Whom the list does not name is told so, though the connection is good.
      let stranger = try run(
        device + ["--name", "stranger", "--key", folder + "/stranger", "--authority"]
          + [folder + "/ca.pem"]
      )
      #expect(stranger.status == 1 && stranger.error.contains("it is not on the list"))
      // A name of the list with another key.
      let forger = try run(
        device + ["--name", "meter-0", "--key", folder + "/stranger", "--authority"]
          + [folder + "/ca.pem"]
      )
      #expect(forger.status == 1 && forger.error.contains("the list has another key"))
      // Devices do not speak to a server whose certificate they cannot trust.
      for authority in [["--authority", folder + "/other.pem"], []] {
        let arguments = ["--name", "meter-0", "--key", folder + "/key-0"]
        let careful = try run(device + arguments + authority)
        #expect(careful.status == 1)
        #expect(careful.error.contains("CERTIFICATE_VERIFY_FAILED"), "\(careful.error)")
      }
      #expect(server.error.contains("refused /v1/register: device 'stranger' is not admitted"))
      #expect(!server.error.contains("registered"), "\(server.error)")

      let meters = try run(
        device + ["--name", "meter", "--key", folder + "/key", "--authority", folder + "/ca.pem"]
          + ["--count", "2", "--of", "2"]
      )
      #expect(meters.status == 0, "\(meters.error)")
      #expect(server.wait() == 0, "\(server.error)")
      let report = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: folder + "/state/report.json"))
      )
      let rounds = try #require((report as? [String: Any])?["rounds"] as? [[String: Any]])
      #expect(rounds.map { $0["reported"] as? Int } == [2])
      #expect(rounds.allSatisfy { ($0["rejections"] as? [String])?.isEmpty == true })
      #expect(FileManager.default.fileExists(atPath: folder + "/state/model.safetensors"))
    }
  }
}
