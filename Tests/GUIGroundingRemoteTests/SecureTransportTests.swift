import Foundation
import Testing

@testable import GUIGroundingRemote

/// The transport that HTTPS takes, against servers without TLS: the limits are its own.
@Suite(.timeLimit(.minutes(10))) struct SecureTransportTests {
  private func post(
    _ server: MockServer,
    total: Double = 20,
    bytes: Int = 1 << 20
  ) async throws(HTTPProblem) -> HTTPReply {
    let transport = SecureTransport(ExchangeTable())
    guard let url = URL(string: server.baseURL + "/x") else { throw .network("no URL") }
    return try await transport.post(
      Array("{}".utf8),
      to: url,
      headers: ["Authorization": "Bearer k"],
      limits: HTTPLimits(connectSeconds: 10, totalSeconds: total, bodyByteCount: bytes)
    )
  }

  @Test func repliesComeWhole() async throws {
    let server = try MockServer { _, _ in
      [.reply(503, headers: ["Retry-After": "3"], Array("body".utf8))]
    }
    defer { server.stop() }
    let reply = try await post(server)
    #expect(reply.status == 503 && reply.body == Array("body".utf8))
    #expect(reply.headers["retry-after"] == "3")
    let request = try #require(server.requests.first)
    #expect(request.line == "POST /v1/x HTTP/1.1")
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
    let server = try MockServer { _, _ in [.head(length: 1 << 40), .wait(seconds: 20)] }
    defer { server.stop() }
    await #expect(throws: HTTPProblem.tooLarge(limit: 1 << 20)) { try await post(server) }
  }

  @Test func silentServersEndWithTheTime() async throws {
    let server = try MockServer { _, _ in [.wait(seconds: 30)] }
    defer { server.stop() }
    await #expect(throws: HTTPProblem.timedOut(seconds: 0.5)) { try await post(server, total: 0.5) }
  }

  @Test func brokenConnectionsAreFaults() async throws {
    let server = try MockServer { _, _ in [.head(length: 1000), .send([0x7B]), .reset] }
    defer { server.stop() }
    let problem = await #expect(throws: HTTPProblem.self) { try await post(server) }
    guard case .network = problem else {
      Issue.record("\(String(describing: problem))")
      return
    }
  }
}
