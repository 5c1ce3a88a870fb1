import GUIGrounding
import Tensor
import TestSupport
import Testing

@testable import GUIGroundingRemote

@Suite struct LargePictureTests {
  /// Clients ask for leave before they send a large body; a server that never gives it must not
  /// cost a second each time.
  @Test func largePicturesAreSentWithoutAskingForLeave() async throws {
    let server = try MockServer { _, _ in [.answers(["(1, 2)"])] }
    defer { server.stop() }
    var generator = Philox(seed: 1)
    let size = PixelSize(width: 900, height: 800)
    let pixels = (0..<size.pixelCount * 3).map { _ in UInt8(generator.nextWord() & 0xFF) }
    let image = RGBImage(size: size, pixels: pixels)
    let request = GroundingRequest(image: image, instruction: "x")
    let policy = try Scene.policy(server)
    let sample = try await policy.sample(request, count: 1, options: .greedy)[0]
    #expect(sample.point == GroundingPoint(x: 1, y: 2))
    let sent = try #require(server.requests.first)
    #expect(sent.body.count > 2_000_000)
    #expect(sent.headers["expect"] == nil)
  }
}
