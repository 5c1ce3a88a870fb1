import Checkpoints
import Foundation
import SwiftProtobuf
import Synchronization
import Tensor

/// Makes calls: signs them, tries again what may succeed, and says what else went wrong.
final class FleetClient: Sendable {
  let identity: FlowerIdentity
  let clock: FlowerClock
  private let transport: any FlowerTransport
  private let retries: FlowerRetries
  private let answerLimit: Int
  private let log: @Sendable (FlowerEvent) -> Void
  private let generator: Mutex<Philox>
  private let isHurried = Mutex(false)

  init(
    identity: FlowerIdentity,
    transport: any FlowerTransport,
    clock: FlowerClock = FlowerClock(),
    configuration: FlowerNodeConfiguration,
    log: @escaping @Sendable (FlowerEvent) -> Void
  ) {
    self.identity = identity
    self.transport = transport
    self.clock = clock
    self.log = log
    retries = configuration.retries
    answerLimit = configuration.limits.answerBytes
    generator = Mutex(Philox(seed: configuration.seed))
  }

  /// From now on no call is tried for longer than `FlowerRetries.patienceWhileStopping`.
  func hurry() { isHurried.withLock { $0 = true } }

  /// A duration that differs by up to the given part, so that nodes do not act in step.
  func jittered(_ duration: Duration, by part: Double) -> Duration {
    let draw = Double(generator.withLock { $0.uniform() })
    return duration * (1 + part * (2 * draw - 1))
  }

  /// Makes a call until it succeeds, is refused, or patience ends.
  func call<Request, Answer>(
    _ call: FleetCall<Request, Answer>,
    _ request: Request
  ) async throws(FlowerError) -> Answer {
    let start = ContinuousClock.now
    var wait = retries.firstWait
    while true {
      do throws(Refusal) {
        return try await authenticated(call, request)
      } catch {
        guard case .transient(let reason) = error else { throw error.error(call.name) }
        let pause = jittered(min(wait, retries.longestWait), by: 0.2)
        guard start.duration(to: .now) + pause <= patience else {
          throw .unreachable(call: call.name, reason: reason)
        }
        log(.retrying(call: call.name, reason: reason, wait: pause))
        try await sleep(pause)
        wait *= 2
      }
    }
  }

  /// Makes a call once.
  func callOnce<Request, Answer>(
    _ call: FleetCall<Request, Answer>,
    _ request: Request
  ) async throws(FlowerError) -> Answer {
    do throws(Refusal) {
      return try await authenticated(call, request)
    } catch {
      throw error.error(call.name)
    }
  }

  private var patience: Duration {
    let limit = retries.patience ?? .seconds(Int64(1) << 32)
    return isHurried.withLock { $0 } ? min(limit, retries.patienceWhileStopping) : limit
  }

  // MARK: - One try

  private enum Refusal: Error {
    case transient(String)
    case unauthenticated(detail: String, date: String?)
    case final(FlowerError)

    func error(_ call: String) -> FlowerError {
      switch self {
      case .transient(let reason): .unreachable(call: call, reason: reason)
      case .unauthenticated(let detail, _): .unauthenticated(call: call, detail: detail)
      case .final(let error): error
      }
    }
  }

  /// One try; a second one with the server's time where the first was refused for another.
  private func authenticated<Request, Answer>(
    _ call: FleetCall<Request, Answer>,
    _ request: Request
  ) async throws(Refusal) -> Answer {
    do throws(Refusal) {
      return try await attempt(call, request)
    } catch {
      guard case .unauthenticated(_, let date) = error, clock.adjust(to: date) else { throw error }
      log(.clockAdjusted(seconds: clock.difference))
      return try await attempt(call, request)
    }
  }

  private func attempt<Request, Answer>(
    _ call: FleetCall<Request, Answer>,
    _ request: Request
  ) async throws(Refusal) -> Answer {
    let headers: [(name: String, value: String)]
    do throws(FlowerError) { headers = try signedHeaders() } catch { throw .final(error) }
    let message = FlowerTransportRequest(
      call: call.name,
      headers: headers,
      body: serialized(request)
    )
    let answer: FlowerTransportAnswer
    do throws(FlowerTransportFailure) {
      answer = try await transport.send(message, timeout: call.timeout)
    } catch {
      switch error.kind {
      case .transient: throw .transient(error.reason)
      case .permanent: throw .final(.unreachable(call: call.name, reason: error.reason))
      case .tooLarge:
        throw .final(.tooLarge(what: "answer to \(call.name), in bytes", limit: answerLimit))
      case .cancelled: throw .final(.cancelled)
      }
    }
    if let text = answer.headers["flwr-version-incompatibility-message"] {
      log(.versionMessage(text))
    }
    return try read(answer, of: call)
  }

  private func signedHeaders() throws(FlowerError) -> [(name: String, value: String)] {
    let stamp = clock.stamp
    let signature = try identity.signature(of: stamp)
    return [
      ("content-type", "application/protobuf"),
      ("accept", "application/protobuf"),
      ("flwr-public-key", identity.publicKey.base64EncodedString()),
      ("flwr-timestamp", stamp),
      ("flwr-signature", signature.base64EncodedString()),
    ]
  }

  private func read<Request, Answer>(
    _ answer: FlowerTransportAnswer,
    of call: FleetCall<Request, Answer>
  ) throws(Refusal) -> Answer {
    switch answer.status {
    case 200:
      do {
        return try Answer(serializedBytes: answer.body)
      } catch {
        let reason = "\(answer.body.count) bytes are not the expected message"
        throw .final(.malformedAnswer(call: call.name, reason: reason))
      }
    case 401:
      throw .unauthenticated(detail: refusal(answer).detail, date: answer.headers["date"])
    case 404: throw .final(.noSuchCall(call.name))
    case 429, 502, 503, 504: throw .transient("status \(answer.status)")
    default:
      let (code, detail) = refusal(answer)
      throw .final(
        .refused(call: call.name, status: answer.status, code: code, detail: detail)
      )
    }
  }

  /// What `{"code": 2007, "detail": "…"}` says.
  private func refusal(_ answer: FlowerTransportAnswer) -> (code: Int?, detail: String) {
    let limits = JSONLimits(depth: 8, byteCount: 1 << 16, valueCount: 1 << 10)
    let json = try? JSONValue.parse(answer.body, limits: limits)
    let text = json?["detail"]?.stringValue ?? "no reason given"
    return (json?["code"]?.intValue, String(text.prefix(500)))
  }
}

/// Sleeps; a cancelled task does not sleep on.
func sleep(_ duration: Duration) async throws(FlowerError) {
  do {
    try await Task.sleep(for: duration)
  } catch {
    throw .cancelled
  }
}
