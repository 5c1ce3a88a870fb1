import Foundation
import GUIGrounding
import GUIGroundingRemote
import TestSupport
import Testing

/// The code of the page of the module GUIGroundingRemote.
@Suite struct GUIGroundingRemoteExamples {
  @Test func aServerIsCalibratedAndAsked() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        setenv("CHAT_KEY", "secret", 1)
        let address = try SeeingServer().address
        let box = GroundingBox(x0: 300, y0: 200, x1: 340, y1: 220)
        var screenshot = RGBImage(size: PixelSize(width: 560, height: 448), color: .white)
        screenshot.fill(box, Pen(RGBColor(30, 30, 30)))
        var found: [GroundingSample] = []
        func example() async throws {
          // address: "http://127.0.0.1:8000/v1"
          var server = ChatServer.vLLM(baseURL: address, model: "Qwen2.5-VL-3B-Instruct")
          server.keyVariable = "CHAT_KEY"  // the name of the variable, never the key
          guard let family = VisionModelFamily.named("qwen2.5-vl") else { return }
          let policy = try RemoteGroundingPolicy(
            server: server,
            family: family,
            cache: .readAndWrite(folder: "replies")
          )
          let report = try await policy.calibrate()
          guard report.supports(family.coordinates) else { return }
          let request = GroundingRequest(image: screenshot, instruction: "click \"Save\"")
          let options = GroundingSampling(seed: 1)
          let samples = try await policy.sample(request, count: 16, options: options)
          found = samples
        }
        try await example()
        #expect(found.count == 16)
        #expect(
          found.allSatisfy { $0.point.map(box.contains) == true },
          "\(found.first?.text ?? "")"
        )
        #expect(FileManager.default.fileExists(atPath: "replies"))
      }
    }
  }

  @Test func anAuthorityOfOnesOwnIsTrusted() throws {
    let address = "https://gpu.lan:8443/v1"
    var server = ChatServer.vLLM(baseURL: address, model: "Qwen2.5-VL-3B-Instruct")
    server.authority = "authority.pem"  // trusted instead of the system's
    let family = try #require(VisionModelFamily.named("qwen2.5-vl"))
    // The file is read when the policy is made, before anything is sent.
    let error = #expect(throws: ChatError.self) {
      _ = try RemoteGroundingPolicy(server: server, family: family)
    }
    #expect("\(try #require(error))".contains("authority.pem"))
    server.authority = Fixtures.file("tls/authority.pem")
    _ = try RemoteGroundingPolicy(server: server, family: family)
  }
}
