import Checkpoints
import Foundation
import GUIGrounding
import TestSupport
import Testing

@testable import GUIGroundingRemote

@Suite struct ReplyCacheTests {
  private let secret = "sk-very-secret-0123456789"

  private func everyFile(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func theSameRequestIsSentOnce() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, number in [.answers(["(\(number), 1)"])] }
      defer { server.stop() }
      let use = CacheUse.readAndWrite(folder: folder + "/replies")
      let first = try Scene.policy(server, cache: use)
      let options = GroundingSampling(seed: 1)
      let samples = try await first.sample(Scene.request, count: 1, options: options)
      // Another process later on.
      let second = try Scene.policy(server, cache: use)
      #expect(try await second.sample(Scene.request, count: 1, options: options) == samples)
      #expect(second.tally.cachedReplies == 1 && second.tally.requests == 0)
      #expect(second.tally.answerTokens == first.tally.answerTokens)
      #expect(server.requests.count == 1)
      let other = GroundingSampling(seed: 2)
      _ = try await second.sample(Scene.request, count: 1, options: other)
      #expect(server.requests.count == 2)
    }
  }

  @Test func partsWithoutASeedAreDifferentDraws() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, number in [.answers(["(\(number), 1)"])] }
      defer { server.stop() }
      let use = CacheUse.readAndWrite(folder: folder)
      let policy = try Scene.policy(server, choices: .single, cache: use)
      let samples = try await policy.sample(Scene.request, count: 4, options: GroundingSampling())
      #expect(Set(samples.map(\.text)).count == 4)
      let again = try await policy.sample(Scene.request, count: 4, options: GroundingSampling())
      #expect(again == samples)
      #expect(server.requests.count == 4)
    }
  }

  @Test func readOnlyNeedsNeitherServerNorKey() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, _ in [.answers(["(4, 1)"])] }
      let kept = try Scene.policy(server, cache: .readAndWrite(folder: folder), key: secret)
      let samples = try await kept.sample(Scene.request, count: 1, options: .greedy)
      server.stop()
      var chat = ChatServer(baseURL: "http://127.0.0.1:1/v1", model: "m", choices: .any)
      chat.keyVariable = "TEST_KEY"
      let offline = try RemoteGroundingPolicy(
        server: chat,
        family: Scene.plainFamily,
        cache: .readOnly(folder: folder),
        environment: [:]
      ) { _ in }
      #expect(try await offline.sample(Scene.request, count: 1, options: .greedy) == samples)
      let other = GroundingRequest(image: Scene.image, instruction: "another")
      let error = try await #require(throws: ChatError.self) {
        try await offline.sample(other, count: 1, options: .greedy)
      }
      guard case .notCached = error.reason else {
        Issue.record("\(error)")
        return
      }
      #expect(try everyFile(folder).count == 1)
    }
  }

  @Test func damagedFilesCountAsMissing() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, number in [.answers(["(\(number), 1)"])] }
      defer { server.stop() }
      let policy = try Scene.policy(server, cache: .readAndWrite(folder: folder))
      for damage in ["", "{", "null", "{\"version\":1,\"key\":\"0\",\"reply\":{\"choices\":[]}}"] {
        _ = try await policy.sample(Scene.request, count: 1, options: .greedy)
        let name = try #require(try everyFile(folder).first)
        try Data(damage.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
      }
      _ = try await policy.sample(Scene.request, count: 1, options: .greedy)
      #expect(server.requests.count == 5)
      _ = try await policy.sample(Scene.request, count: 1, options: .greedy)
      #expect(server.requests.count == 5)
      #expect(try everyFile(folder).count == 1)
    }
  }

  @Test func faultsAreNotKept() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, _ in [.reply(200, Array("<html>".utf8))] }
      defer { server.stop() }
      let policy = try Scene.policy(server, cache: .readAndWrite(folder: folder))
      await #expect(throws: ChatError.self) {
        try await policy.sample(Scene.request, count: 1, options: .greedy)
      }
      #expect(try everyFile(folder).isEmpty)
    }
  }

  @Test func aFolderThatCannotBeWrittenIsAnError() async throws {
    try await withTemporaryFolder { folder in
      let server = try MockServer { _, _ in [.answers(["(1, 1)"])] }
      defer { server.stop() }
      try Data().write(to: URL(fileURLWithPath: folder + "/file"))
      let policy = try Scene.policy(server, cache: .readAndWrite(folder: folder + "/file/sub"))
      let error = try await #require(throws: ChatError.self) {
        try await policy.sample(Scene.request, count: 1, options: .greedy)
      }
      guard case .cache = error.reason else {
        Issue.record("\(error)")
        return
      }
    }
  }

  @Test func theKeyIsSentAndShownNowhere() async throws {
    try await withTemporaryFolder { folder in
      let secret = secret
      let server = try MockServer { request, number in
        // Servers repeat keys in their messages.
        let said = "key \(secret) is unknown"
        switch number {
        case 0: return [.json(["error": ["message": .string(said)]], status: 401)]
        case 1: return [.reply(200, Array("<html>\(said)".utf8))]
        case 2: return [.reply(302, headers: ["Location": "http://x/?k=\(secret)"], [])]
        default: return [.answers([request.headers["authorization"] == nil ? "no" : "(1, 1)"])]
        }
      }
      defer { server.stop() }
      let policy = try Scene.policy(server, cache: .readAndWrite(folder: folder), key: secret)
      for _ in 0..<3 {
        let error = try await #require(throws: ChatError.self) {
          try await policy.sample(Scene.request, count: 1, options: .greedy)
        }
        #expect(!"\(error)".contains("secret") && !String(reflecting: error).contains("secret"))
      }
      _ = try await policy.sample(Scene.request, count: 1, options: .greedy)
      #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer \(secret)" })
      for name in try everyFile(folder) {
        let text = try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
        #expect(!text.contains("secret"))
        // Nor the picture, which would make the cache as large as the data set.
        #expect(!text.contains("data:image") && text.contains("sha256:"))
      }
    }
  }

  @Test func theDigestIsThatOfTheSortedBody() {
    // SHA-256 of {"a":1,"b":2} by sha256sum.
    let known = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
    #expect(ReplyCache.key(["b": 2, "a": 1], ordinal: 0) == known)
    #expect(ReplyCache.key(["b": 2, "a": 1], ordinal: 1) != known)
  }
}
