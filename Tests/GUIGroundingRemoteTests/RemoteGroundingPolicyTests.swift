import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import Synchronization
import TestSupport
import Testing

@testable import GUIGroundingRemote

@Suite struct RemoteGroundingPolicyTests {
  private func points(_ samples: [GroundingSample]) -> [[Double]] {
    samples.map { sample in sample.point.map { [$0.x, $0.y] } ?? [] }
  }

  @Test func oneRequestGivesAllAnswersOfAServerThatCounts() async throws {
    let server = try MockServer { request, _ in
      [.answers((0..<(request.json["n"]?.intValue ?? 0)).map { "(\($0), 5)" })]
    }
    defer { server.stop() }
    let policy = try Scene.policy(server)
    let options = GroundingSampling(seed: 7)
    let samples = try await policy.sample(Scene.request, count: 5, options: options)
    #expect(points(samples) == (0..<5).map { [Double($0), 5] })
    #expect(samples.map(\.tokenCount) == [10, 10, 10, 10, 10])
    #expect(server.requests.count == 1)
    let request = try #require(server.requests.first)
    #expect(request.line == "POST /v1/chat/completions HTTP/1.1")
    #expect(request.headers["content-type"] == "application/json")
    #expect(request.headers["accept"] == "application/json")
    #expect(request.headers["authorization"] == nil)
    #expect(request.json["seed"] == 7)
    #expect(policy.tally.promptTokens == 100 && policy.tally.answerTokens == 50)
  }

  @Test func theRequestCarriesThePictureThatWasHandedIn() async throws {
    let server = try MockServer { _, _ in [.answers(["(1, 2)"])] }
    defer { server.stop() }
    var image = Scene.image
    image[x: 3, y: 4] = RGBColor(1, 2, 3)
    let request = GroundingRequest(image: image, instruction: "x")
    _ = try await Scene.policy(server).sample(request, count: 1, options: .greedy)
    let parts = try #require(server.requests.first?.json["messages"]?[0]?["content"])
    let url = try #require(parts[0]?["image_url"]?["url"]?.stringValue)
    let prefix = "data:image/png;base64,"
    #expect(url.hasPrefix(prefix))
    let data = try #require(Data(base64Encoded: String(url.dropFirst(prefix.count))))
    #expect(RGBImage(try DecodedImage(bytes: Array(data))) == image)
  }

  @Test func cappedServersGetSeveralRequestsWithSeedsOfTheirOwn() async throws {
    let server = try MockServer { request, _ in
      let count = request.json["n"]?.intValue ?? 0
      let seed = request.json["seed"]?.intValue ?? 0
      guard count <= 3 else { return [.json(["error": ["message": "n > slots"]], status: 400)] }
      return [.answers((0..<count).map { "(\(seed % 1000), \($0))" })]
    }
    defer { server.stop() }
    let policy = try Scene.policy(server, choices: .upTo(3))
    let options = GroundingSampling(seed: 7)
    let samples = try await policy.sample(Scene.request, count: 8, options: options)
    let seeds = server.requests.compactMap { $0.json["seed"]?.intValue }
    #expect(Set(seeds).count == 3 && seeds.contains(7))
    #expect(server.requests.compactMap { $0.json["n"]?.intValue }.sorted() == [2, 3, 3])
    // In the order of the parts, whichever reply came first; the first part has the seed itself.
    #expect(points(samples).map { $0[1] } == [0, 1, 2, 0, 1, 2, 0, 1])
    #expect(points(samples).prefix(3).allSatisfy { $0[0] == 7 })
    let again = try await policy.sample(Scene.request, count: 8, options: options)
    #expect(again == samples)
  }

  @Test func singleMeansOneAnswerPerRequest() async throws {
    let server = try MockServer { _, _ in [.answers(["(1, 1)"])] }
    defer { server.stop() }
    let policy = try Scene.policy(server, choices: .single)
    _ = try await policy.sample(Scene.request, count: 4, options: GroundingSampling())
    #expect(server.requests.count == 4)
    #expect(server.requests.allSatisfy { $0.json["n"] == 1 && $0.json["seed"] == nil })
  }

  @Test func aServerThatIgnoresTheCountIsAskedForTheRest() async throws {
    let server = try MockServer { _, number in [.answers(["(\(number), 1)"])] }
    defer { server.stop() }
    let policy = try Scene.policy(server, choices: .any)
    let samples = try await policy.sample(Scene.request, count: 6, options: GroundingSampling())
    #expect(samples.count == 6)
    #expect(server.requests.count == 6)
    // The first request shows the cap; all others ask for one.
    #expect(server.requests.compactMap { $0.json["n"]?.intValue } == [6, 1, 1, 1, 1, 1])
  }

  @Test func surplusAnswersAreLeftOut() async throws {
    let server = try MockServer { _, _ in [.answers(["(1, 1)", "(2, 2)", "(3, 3)"])] }
    defer { server.stop() }
    let policy = try Scene.policy(server, choices: .any)
    let samples = try await policy.sample(Scene.request, count: 2, options: GroundingSampling())
    #expect(points(samples) == [[1, 1], [2, 2]])
  }

  @Test func severalAnswersAtTemperatureZeroAreRefusedWithoutARequest() async throws {
    let server = try MockServer { _, _ in [.answers(["(1, 1)"])] }
    defer { server.stop() }
    let policy = try Scene.policy(server)
    await #expect(throws: GroundingPolicyError.greedyCount(2)) {
      try await policy.sample(Scene.request, count: 2, options: .greedy)
    }
    #expect(server.requests.isEmpty)
  }

  @Test func picturesAreSentInTheSizeThatTheServerKeeps() async throws {
    let server = try MockServer { _, _ in [.answers(["(50, 20)"])] }
    defer { server.stop() }
    var family = Scene.plainFamily
    family.resize = .smart(factor: 28, minimumPixels: 784, maximumPixels: 3136 * 4)
    let policy = try Scene.policy(server, family: family)
    let image = RGBImage(size: PixelSize(width: 200, height: 100), color: .white)
    let sent = policy.viewSize(for: image.size)
    #expect(sent.width % 28 == 0 && sent.height % 28 == 0 && sent != image.size)
    let request = GroundingRequest(image: image, instruction: "x")
    let sample = try await policy.sample(request, count: 1, options: .greedy)[0]
    // The numbers are pixels of what was sent; the point is one of what was handed in.
    let point = try #require(sample.point)
    #expect(abs(point.x - 50 * 200 / Double(sent.width)) < 1e-12)
    #expect(abs(point.y - 20 * 100 / Double(sent.height)) < 1e-12)
  }

  @Test func beginningsOfAnswersArePutBeforeWhatComes() async throws {
    let server = try MockServer { _, _ in [.answers(["30, 40]}}\n</tool_call>"])] }
    defer { server.stop() }
    var chat = ChatServer.vLLM(baseURL: server.baseURL, model: "q")
    chat.extraFields = #"{"mm_processor_kwargs":{"max_pixels":1003520}}"#
    let family = try #require(VisionModelFamily.named("qwen2.5-vl"))
    let policy = try RemoteGroundingPolicy(server: chat, family: family)
    let sample = try await policy.sample(Scene.request, count: 1, options: .greedy)[0]
    #expect(sample.text.hasPrefix("<tool_call>\n{\"name\": \"computer_use\""))
    #expect(sample.point == GroundingPoint(x: 30, y: 40))
    let body = try #require(server.requests.first?.json)
    #expect(body["messages"]?[2]?["role"] == "assistant")
    #expect(body["continue_final_message"] == true && body["add_generation_prompt"] == false)
    #expect(body["mm_processor_kwargs"]?["max_pixels"] == 1_003_520)
  }

  @Test func onlySoManyRequestsAreUnderWay() async throws {
    let server = try MockServer { _, _ in [.wait(seconds: 0.05), .answers(["(1, 1)"])] }
    defer { server.stop() }
    let policy = try Scene.policy(server, choices: .single, limits: Scene.limits(concurrent: 3))
    _ = try await policy.sample(Scene.request, count: 12, options: GroundingSampling())
    #expect(server.requests.count == 12)
    #expect(server.mostAtOnce > 1 && server.mostAtOnce <= 3)
  }
}
