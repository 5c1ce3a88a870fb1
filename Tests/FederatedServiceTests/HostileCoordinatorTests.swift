import Federated
import Foundation
import Synchronization
import Tensor
import Testing

@testable import FederatedService

/// Whatever a coordinator says, a device goes on.
@Suite(.timeLimit(.minutes(10))) struct HostileCoordinatorTests {
  /// A server with one task, whose numbers are changed on their way; then all is over.
  private final class Server: ServiceTransport {
    let task: ServiceResponse
    let model: [UInt8]
    private let state = Mutex((isGiven: false, paths: [String]()))

    init(change: (inout TaskMessage) -> Void) throws {
      let task = try SampleFederation.task(count: 8)
      var settings = RoundSettings()
      settings.minimumReports = 1
      var engine = try RoundEngine(
        model: task.initialParameters(seed: 1),
        description: task.model,
        settings: settings,
        aggregation: AggregationSettings(),
        seed: 1
      )
      let candidate = RoundCandidate(client: 0, exampleCount: 8)
      let first = try #require(try engine.begin([candidate], now: 0).first)
      var message = TaskMessage(
        task: first,
        training: LocalTrainingSettings(),
        heartbeatSeconds: 30,
        secondsLeft: 60,
        modelByteCount: 1000
      )
      change(&message)
      self.task = ServiceResponse(TaskAnswer.task(message))
      model = try engine.localModel(for: first).encoded()
    }

    /// The ends of the paths that were called.
    var calls: [String] { state.withLock { $0.paths } }

    func send(
      _ request: ServiceRequest,
      timeout: Duration,
      limit: Int
    ) async throws(ServiceTransportFailure) -> ServiceResponse {
      let isFirst = state.withLock { state in
        state.paths.append(String(request.path.split(separator: "/").last ?? ""))
        guard request.path == "/v1/task", !state.isGiven else { return false }
        state.isGiven = true
        return true
      }
      if isFirst { return task }
      if request.path == "/v1/task" { return ServiceResponse(TaskAnswer.finished) }
      if request.path.hasSuffix("/model") { return ServiceResponse(status: 200, body: model) }
      return ServiceResponse(status: 200, body: Array("{}".utf8))
    }
  }

  /// Runs a device until the federation ends; the calls that it made.
  private func calls(change: (inout TaskMessage) -> Void) async throws -> [String] {
    let server = try Server(change: change)
    try await SampleFederation.device(0, of: 1, try SampleFederation.task(count: 8), server).run()
    return server.calls
  }

  @Test(arguments: [Int.max, 1 << 62, -1, .min]) func sizesOfModels(byteCount: Int) async throws {
    let calls = try await calls { $0.modelByteCount = byteCount }
    #expect(calls == ["register", "task", "model", "result", "task"])
  }

  @Test(arguments: [1e300, 1e20, 0, -1e300]) func timesThatAreLeft(seconds: Double) async throws {
    let calls = try await calls { $0.secondsLeft = seconds }
    #expect(calls == ["register", "task", "model", "result", "task"])
  }

  @Test(arguments: [1e300, 1e20]) func timesBetweenHeartbeats(seconds: Double) async throws {
    let calls = try await calls { $0.heartbeatSeconds = seconds }
    #expect(calls == ["register", "task", "model", "result", "task"])
  }
}
