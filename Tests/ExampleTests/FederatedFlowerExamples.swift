import Federated
import FederatedFlower
import Foundation
import Tensor
import TestSupport
import Testing

/// The code of the page of the module FederatedFlower.
@Suite(.timeLimit(.minutes(10))) struct FederatedFlowerExamples {
  @Test func aNodeLooksForItsServer() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try FileManager.default.copyItem(
          atPath: Fixtures.file("tls/authority.pem"),
          toPath: "ca.pem"
        )
        // A port that nobody listens on.
        let address = "https://127.0.0.1:9"
        let (events, log) = Self.events()
        let running = Task {
          let handlers = FlowerHandlers(train: { request in
            guard let arrays = request.content.arrays else {
              throw FlowerFailure(.preconditionFailed, "no arrays")
            }
            return .trained(arrays: arrays, exampleCount: 1)
          })
          let node = FlowerNode(
            identity: try .loadOrCreate(path: "node.pem"),
            transport: try HTTPFlowerTransport(address: address, authority: "ca.pem"),
            handlers: handlers,
            log: log  // such as { print($0) }
          )
          try await node.run()
        }
        for await event in events {
          guard case .retrying("register-node", _, _) = event else { continue }
          break
        }
        running.cancel()
        await #expect(throws: FlowerError.cancelled) { try await running.value }
        // The key stays for the next start.
        #expect(FileManager.default.fileExists(atPath: "node.pem"))
      }
    }
  }

  /// What a node reports, as a sequence.
  private static func events() -> (AsyncStream<FlowerEvent>, @Sendable (FlowerEvent) -> Void) {
    let (events, continuation) = AsyncStream.makeStream(of: FlowerEvent.self)
    return (events, { continuation.yield($0) })
  }

  @Test func aDeviceTrainsAPart() throws {
    let task = try SmallFederation.task()
    let device = FlowerDevice(
      task: task,
      examples: [0, 1, 2, 3],
      profile: DeviceClass.gateway.profile,
      plan: .slice(Rate(1, of: 2)),
      seed: 1
    )
    print(device.handlers.types)  // evaluate, query, train
    #expect(device.handlers.types == ["evaluate", "query", "train"])
  }
}
