extension ServiceDevice {
  /// Sends a request until there is an answer: the body of a success, or why the server refuses.
  ///
  /// - Throws: `ServiceError.unreachable` after `Patience.seconds`, or where no other try can succeed.
  func call(
    _ request: ServiceRequest,
    limit: Int,
    waiting: Double = 0
  ) async throws(ServiceError) -> Result<[UInt8], ErrorMessage.Problem> {
    let begin = ContinuousClock.now
    var pauseSeconds = patience.firstPause
    var (isClockSet, isSessionSet) = (false, false)
    while true {
      let reason: String
      do throws(ServiceTransportFailure) {
        let answer = try await attempt(request, limit: limit, waiting: waiting)
        switch answer.status {
        case 200: return .success(answer.body)
        case 500...: reason = "status \(answer.status)"
        default:
          let problem = Self.problem(in: answer)
          switch problem.code {
          case "other_session" where !isSessionSet: isSessionSet = true
          case "clock_skew" where !isClockSet, "outdated" where !isClockSet:
            guard clock.adjust(to: answer.headers) else { return .failure(problem) }
            isClockSet = true
            log(.clockAdjusted(seconds: clock.difference))
          default: return .failure(problem)
          }
          continue
        }
      } catch {
        guard error.isTransient else { throw .unreachable(error.reason) }
        reason = error.reason
      }
      guard !Task.isCancelled, begin.duration(to: .now) < .seconds(patience.seconds) else {
        throw .unreachable(reason)
      }
      // It may be another start of the server that answers next.
      (isClockSet, isSessionSet) = (false, false)
      log(.retrying(path: request.path, reason: reason, seconds: pauseSeconds))
      await pause(pauseSeconds * Double.random(in: 0.5...1))
      pauseSeconds = min(2 * pauseSeconds, patience.longestPause)
    }
  }

  /// Sends a request once, with a signature of its own and the token that admits the device; takes the
  /// server's session from the answer.
  func attempt(
    _ request: ServiceRequest,
    limit: Int,
    waiting: Double
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    var signed: ServiceRequest
    do throws(ServiceError) {
      signed = try request.signed(
        by: identity,
        device: name,
        time: clock.milliseconds,
        session: session.name
      )
    } catch {
      throw ServiceTransportFailure(isTransient: false, reason: "\(error)")
    }
    if let token { signed.headers["authorization"] = "Bearer \(token)" }
    let answer = try await transport.send(signed, timeout: .seconds(waiting + 30), limit: limit)
    session.take(answer.headers)
    return answer
  }

  private static func problem(in answer: ServiceResponse) -> ErrorMessage.Problem {
    if let found = try? ServiceJSON.decoded(answer.body, as: ErrorMessage.self) {
      return found.error
    }
    return ErrorMessage.Problem(
      code: "status_\(answer.status)",
      message: "status \(answer.status) without a message; is this a coordinator?"
    )
  }
}
