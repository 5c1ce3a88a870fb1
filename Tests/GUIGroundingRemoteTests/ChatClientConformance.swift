import Checkpoints
import Foundation
import GUIGrounding
import Synchronization
import Tensor
import TestSupport
import Testing

@testable import GUIGroundingRemote

/// Request bodies and canned replies of `chat-client.json`.
extension GUIGroundingConformance {
  static let chatFiles = Fixtures.names(in: "gui", suffix: ".json").filter {
    $0.hasPrefix("chat-client")
  }

  @Test func thereAreChatFixtures() { #expect(!Self.chatFiles.isEmpty) }

  @Test(arguments: chatFiles) func requestBodies(_ name: String) throws {
    let file = try JSONValue.read(Fixtures.file("gui/" + name))
    let requests = try #require(file["requests"]?.arrayValue)
    for entry in requests { try expectBody(entry) }
  }

  private func expectBody(_ entry: JSONValue) throws {
    let name = entry["name"]?.stringValue ?? "?"
    let config = try #require(entry["config"])
    var server = ChatServer(
      baseURL: try #require(config["base_url"]?.stringValue),
      model: try #require(config["model"]?.stringValue)
    )
    #expect(try server.endpoint().absoluteString == entry["url"]?.stringValue, "\(name)")
    server.wantsLogProbabilities = config["logprobs"]?.boolValue ?? false
    let family = try #require(VisionModelFamily.named("reguide"))
    let policy = try RemoteGroundingPolicy(server: server, family: family)
    let seed = config["seed"]?.integerValue.map { UInt64($0) }
    let expected = try #require(entry["body"])
    let picture = pictures(expected).first ?? ""
    let body = policy.body(
      try #require(entry["instruction"]?.stringValue),
      picture: picture,
      sent: PixelSize(
        width: try #require(entry["view"]?[0]?.intValue),
        height: try #require(entry["view"]?[1]?.intValue)
      ),
      options: GroundingSampling(
        temperature: try #require(config["temperature"]?.doubleValue),
        topP: config["top_p"]?.doubleValue ?? 1,
        maxTokens: try #require(config["max_tokens"]?.intValue)
      )
    ).request.json(count: try #require(config["n"]?.intValue), seed: seed)
    let difference = expected.firstDifference(to: .object(body))
    #expect(difference == nil, "\(name): \(difference ?? "")")
  }

  /// All picture URLs of a body.
  private func pictures(_ value: JSONValue) -> [String] {
    if let url = value["image_url"]?["url"]?.stringValue { return [url] }
    let parts = value.arrayValue ?? value.objectValue?.values ?? []
    return parts.flatMap { pictures($0) }
  }

  @Test(arguments: chatFiles) func cannedReplies(_ name: String) async throws {
    let file = try JSONValue.read(Fixtures.file("gui/" + name))
    let replies = try #require(file["responses"]?.arrayValue)
    for (index, entry) in replies.enumerated() {
      try await expectReply(entry, "\(name), reply \(index)")
    }
  }

  /// Serves the reply over and over; the pauses tell whether it is asked for again.
  private func expectReply(_ entry: JSONValue, _ name: String) async throws {
    let expected = try #require(entry["expected"], "\(name)")
    let fields = entry["headers"]?.objectValue ?? [:]
    let headers = fields.map { ($0.key, $0.value.stringValue ?? "") }
    let body = try #require(entry["body"])
    let bytes = body.stringValue.map { Array($0.utf8) } ?? body.serializedBytes()
    let status = try #require(entry["status"]?.intValue)
    let server = try MockServer { _, _ in
      [.reply(status, headers: Dictionary(uniqueKeysWithValues: headers), bytes)]
    }
    defer { server.stop() }
    let pauses = Mutex<[Double]>([])
    let policy = try Scene.policy(server, choices: .any) { seconds in
      pauses.withLock { $0.append(seconds) }
    }
    let count = body["choices"]?.arrayValue?.count ?? 1
    do {
      let samples = try await policy.sample(
        Scene.request,
        count: max(1, count),
        options: GroundingSampling()
      )
      #expect(expected["outcome"] == "ok", "\(name)")
      expectSamples(samples, expected, name)
    } catch let error as ChatError {
      #expect(expected["outcome"] == "error", "\(name): \(error)")
      #expect(kind(error.reason) == expected["kind"]?.stringValue, "\(name): \(error)")
      let times = pauses.withLock { $0 }
      #expect(!times.isEmpty == expected["retry"]?.boolValue, "\(name)")
      if let delay = expected["delay_s"]?.doubleValue {
        #expect(times.allSatisfy { $0 == delay }, "\(name)")
      }
    }
  }

  private func expectSamples(_ samples: [GroundingSample], _ expected: JSONValue, _ name: String) {
    if let texts = expected["texts"]?.arrayValue {
      #expect(samples.map(\.text) == texts.map { $0.stringValue ?? "" }, "\(name)")
    }
    if let truncated = expected["truncated"]?.arrayValue {
      #expect(samples.map(\.truncated) == truncated.map { $0.boolValue ?? false }, "\(name)")
    }
    if let points = expected["points"]?.arrayValue {
      let wanted = points.map { $0.arrayValue.map { $0.compactMap(\.doubleValue) } }
      #expect(samples.map { $0.point.map { [$0.x, $0.y] } } == wanted, "\(name)")
    }
    if let logprobs = expected["logprobs"]?.arrayValue {
      let wanted = logprobs.map { $0.arrayValue?.compactMap { $0.doubleValue.map { Float($0) } } }
      #expect(samples.map(\.tokenLogProbabilities) == wanted, "\(name)")
    }
  }

  private func kind(_ reason: ChatError.Reason) -> String {
    switch reason {
    case .badRequest: "badRequest"
    case .unauthorized: "unauthorized"
    case .rateLimited: "rateLimited"
    case .unavailable: "unavailable"
    case .server: "server"
    case .malformed: "malformed"
    default: "\(reason)"
    }
  }
}
