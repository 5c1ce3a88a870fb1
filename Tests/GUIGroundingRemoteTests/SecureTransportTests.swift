import Foundation
import GUIGrounding
import TestSupport
import Testing

@testable import GUIGroundingRemote

/// HTTPS, against servers with TLS of their own.
@Suite(.timeLimit(.minutes(10))) struct SecureTransportTests {
  private static let authority = Fixtures.file("tls/authority.pem")

  /// Posts to a server behind a front with a certificate.
  private func post(
    _ server: MockServer,
    certificate: String = "server",
    host: String = "127.0.0.1",
    authority: String? = authority,
    total: Double = 20,
    bytes: Int = 1 << 20
  ) async throws(HTTPProblem) -> HTTPReply {
    let front: TLSFront
    do { front = try TLSFront(of: server.port, certificate: certificate) } catch {
      throw .settings("\(error)")
    }
    defer { front.stop() }
    return try await post(to: front.port, host, authority, total, bytes)
  }

  private func post(
    to port: Int,
    _ host: String = "127.0.0.1",
    _ authority: String? = authority,
    _ total: Double = 20,
    _ bytes: Int = 1 << 20
  ) async throws(HTTPProblem) -> HTTPReply {
    guard let url = URL(string: "https://\(host):\(port)/v1/x") else { throw .network("no URL") }
    let transport = try HTTPTransport(for: url, authority: authority)
    return try await transport.post(
      Array("{}".utf8),
      to: url,
      headers: ["Authorization": "Bearer k"],
      limits: HTTPLimits(connectSeconds: 10, totalSeconds: total, bodyByteCount: bytes)
    )
  }

  private func problem(
    _ body: () async throws(HTTPProblem) -> HTTPReply
  ) async throws -> HTTPProblem {
    do throws(HTTPProblem) {
      let reply = try await body()
      Issue.record("status \(reply.status)")
      return .cancelled
    } catch { return error }
  }

  // MARK: - Exchanges

  @Test(arguments: ["127.0.0.1", "localhost"])
  func repliesComeWhole(_ host: String) async throws {
    let server = try MockServer { _, _ in
      [.reply(503, headers: ["Retry-After": "3"], Array("body".utf8))]
    }
    defer { server.stop() }
    let reply = try await post(server, host: host)
    #expect(reply.status == 503 && reply.body == Array("body".utf8))
    #expect(reply.headers["retry-after"] == "3")
    let request = try #require(server.requests.first)
    #expect(
      request.line == "POST /v1/x HTTP/1.1" && request.headers["host"]?.contains(host) == true
    )
    #expect(request.headers["authorization"] == "Bearer k" && request.body == Array("{}".utf8))
  }

  @Test func redirectionsAreReplies() async throws {
    let server = try MockServer { _, _ in [.reply(302, headers: ["Location": "/y"], [])] }
    defer { server.stop() }
    let reply = try await post(server)
    #expect(reply.status == 302 && reply.headers["location"] == "/y")
    #expect(server.requests.count == 1)
  }

  @Test func longBodiesAreRefusedByTheirLength() async throws {
    let server = try MockServer { _, _ in [.head(length: 1 << 40), .wait(seconds: 120)] }
    defer { server.stop() }
    await #expect(throws: HTTPProblem.tooLarge(limit: 1 << 20)) { try await post(server) }
  }

  @Test func floodsAreCutOff() async throws {
    let server = try MockServer { _, _ in
      [
        .send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8)),
        .flood([UInt8](repeating: 0x20, count: 1 << 16)),
      ]
    }
    defer { server.stop() }
    await #expect(throws: HTTPProblem.tooLarge(limit: 1 << 18)) {
      try await post(server, bytes: 1 << 18)
    }
  }

  @Test func silentServersEndWithTheTime() async throws {
    let server = try MockServer { _, _ in [.wait(seconds: 600)] }
    defer { server.stop() }
    await #expect(throws: HTTPProblem.timedOut(seconds: 0.5)) { try await post(server, total: 0.5) }
  }

  @Test func cancellationEndsAnExchange() async throws {
    let server = try MockServer { _, _ in [.wait(seconds: 600)] }
    defer { server.stop() }
    let front = try TLSFront(of: server.port)
    defer { front.stop() }
    let port = front.port
    let task = Task { try await post(to: port) }
    while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    task.cancel()
    await #expect(throws: HTTPProblem.cancelled) { try await task.value }
  }

  @Test func brokenConnectionsAreFaults() async throws {
    let server = try MockServer { _, _ in [.head(length: 1000), .send([0x7B]), .reset] }
    defer { server.stop() }
    let problem = try await problem { () throws(HTTPProblem) in try await post(server) }
    guard case .network = problem else {
      Issue.record("\(problem)")
      return
    }
  }

  @Test func portsWithoutServerAreNamed() async throws {
    let server = try MockServer { _, _ in [] }
    server.stop()
    let port = Int(server.port)
    let problem = try await problem { () throws(HTTPProblem) in try await post(to: port) }
    #expect(problem == .network("127.0.0.1, port \(port): Connection refused"))
  }

  // MARK: - Certificates

  @Test func certificatesAreChecked() async throws {
    let server = try MockServer { _, _ in [.reply(200, [])] }
    defer { server.stop() }
    let cases: [(certificate: String, host: String, authority: String?, CertificateProblem)] = [
      ("server", "127.0.0.1", Fixtures.file("tls/stranger.pem"), .untrusted),
      // The system does not know the authority.
      ("server", "localhost", nil, .untrusted),
      ("expired", "127.0.0.1", Self.authority, .expired("2020-02-01")),
      ("future", "localhost", Self.authority, .notYetValid("2100-01-01")),
      ("elsewhere", "127.0.0.1", Self.authority, .otherName("127.0.0.1")),
      ("elsewhere", "localhost", Self.authority, .otherName("localhost")),
    ]
    for (certificate, host, authority, expected) in cases {
      let problem = try await problem { () throws(HTTPProblem) in
        try await post(server, certificate: certificate, host: host, authority: authority)
      }
      #expect(problem == .certificate(expected), "\(certificate) \(host)")
    }
    // Nothing went to any of them: no key, no picture.
    #expect(server.requests.isEmpty)
  }

  @Test func plainServersAndPlainClientsAreTold() async throws {
    // A server without TLS takes what a client with TLS says for a bad request, and says so.
    let plain = try MockServer(answersAtOnce: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
    defer { plain.stop() }
    let port = Int(plain.port)
    #expect(try await problem { () throws(HTTPProblem) in try await post(to: port) } == .withoutTLS)
    // A server with TLS answers plain text with an alert.
    let alert = try MockServer(answersAtOnce: [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
    defer { alert.stop() }
    let policy = try Scene.policy(alert, limits: Scene.limits(retries: 3))
    let error = try await #require(throws: ChatError.self) {
      try await policy.sample(Scene.request, count: 1, options: .greedy)
    }
    #expect(error.reason == .onlyTLS && error.attempts == 1)
    #expect("\(error)".contains("write https://"))
  }

  // MARK: - Policies

  private func policy(
    _ front: TLSFront,
    scheme: String = "https",
    authority: String? = authority
  ) throws -> RemoteGroundingPolicy {
    var chat = ChatServer(baseURL: "\(scheme)://127.0.0.1:\(front.port)/v1", model: "m")
    chat.authority = authority
    chat.keyVariable = "TEST_KEY"
    return try RemoteGroundingPolicy(
      server: chat,
      family: Scene.plainFamily,
      limits: Scene.limits(),
      environment: ["TEST_KEY": "secret"],
      pause: { _ in }
    )
  }

  @Test func policiesAnswerOverTLS() async throws {
    let server = try MockServer { _, _ in [.answers(["(8, 9)"])] }
    defer { server.stop() }
    let front = try TLSFront(of: server.port)
    defer { front.stop() }
    let policy = try policy(front)
    async let first = policy.sample(Scene.request, count: 3, options: GroundingSampling(seed: 1))
    async let second = policy.sample(Scene.request, count: 1, options: .greedy)
    let samples = try await first + second
    #expect(samples.map(\.point) == Array(repeating: GroundingPoint(x: 8, y: 9), count: 4))
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer secret" })
  }

  @Test func badCertificatesAreNotAskedAgain() async throws {
    let server = try MockServer { _, _ in [.answers(["(8, 9)"])] }
    defer { server.stop() }
    let front = try TLSFront(of: server.port, certificate: "expired")
    defer { front.stop() }
    let policy = try policy(front)
    let error = try await #require(throws: ChatError.self) {
      try await policy.sample(Scene.request, count: 1, options: .greedy)
    }
    #expect(error.reason == .certificate(.expired("2020-02-01")) && error.attempts == 1)
    #expect("\(error)".contains("the server's certificate has expired on 2020-02-01"))
    #expect(!error.reason.isPassing && server.requests.isEmpty)
  }

  @Test func authoritiesThatCannotBeReadAreRefused() throws {
    let server = try MockServer { _, _ in [] }
    defer { server.stop() }
    let front = try TLSFront(of: server.port)
    defer { front.stop() }
    for authority in [Fixtures.file("tls/missing.pem"), Fixtures.file("tls/README.md")] {
      let error = #expect(throws: ChatError.self) { try policy(front, authority: authority) }
      #expect("\(try #require(error))".contains(authority))
    }
    let error = #expect(throws: ChatError.self) { try policy(front, scheme: "http") }
    #expect("\(try #require(error))".contains("does not begin with https://"))
    #expect(try policy(front, scheme: "http", authority: nil).server.authority == nil)
  }

  @Test func serversWithoutAnAuthorityAreReadAsBefore() throws {
    let text = #"""
      {"baseURL":"http://h/v1","model":"m","choices":{"single":{}},"prefill":"off",
      "wantsLogProbabilities":false,"extraFields":"{}"}
      """#
    let server = try JSONDecoder().decode(ChatServer.self, from: Data(text.utf8))
    #expect(server == ChatServer(baseURL: "http://h/v1", model: "m"))
  }
}
