import Checkpoints
import Foundation
import GUIGrounding
import Synchronization
import Tensor

/// What a client may do to a server, and how long it waits.
public struct ChatLimits: Codable, Hashable, Sendable {
  /// Seconds until a connection stands, its certificate checked where there is one.
  public var connectSeconds: Double
  /// Seconds until a reply is whole.
  public var requestSeconds: Double
  /// Requests under way at a time.
  public var concurrentRequests: Int
  /// The longest reply in bytes.
  public var replyByteCount: Int
  /// When a request is sent again.
  public var retries: RetrySettings

  /// Limits; the defaults suit a server that needs a minute for an answer.
  public init(
    connectSeconds: Double = 10,
    requestSeconds: Double = 120,
    concurrentRequests: Int = 4,
    replyByteCount: Int = 16 << 20,
    retries: RetrySettings = RetrySettings()
  ) {
    self.connectSeconds = connectSeconds
    self.requestSeconds = requestSeconds
    self.concurrentRequests = concurrentRequests
    self.replyByteCount = replyByteCount
    self.retries = retries
  }
}

/// What a client has done so far.
public struct ChatTally: Codable, Hashable, Sendable {
  /// Requests that were sent, those that were sent again included.
  public var requests = 0
  /// Requests that were sent again.
  public var retries = 0
  /// Replies that came from the cache.
  public var cachedReplies = 0
  /// Answers, cached ones included.
  public var answers = 0
  /// Tokens of prompts, as servers count them, cached replies included.
  public var promptTokens = 0
  /// Tokens of answers, as servers count them, cached replies included.
  public var answerTokens = 0

  /// Nothing done.
  public init() {}
}

/// Sends the requests of one endpoint: cache, limits, retries.
final class ChatClient: Sendable {
  private let server: ChatServer
  private let url: URL
  private let key: String?
  private let limits: ChatLimits
  private let cache: ReplyCache?
  private let transport: HTTPTransport
  private let gate: RequestGate
  private let jitter: Mutex<Philox>
  private let tallied = Mutex(ChatTally())
  /// Waits that many seconds; tests do not want to.
  private let pause: @Sendable (Double) async throws -> Void
  private let willRetry: @Sendable (ChatRetry) -> Void

  /// - Throws: `ChatError.Reason.invalid` and `.missingKey`.
  init(
    server: ChatServer,
    limits: ChatLimits,
    cache: CacheUse,
    environment: [String: String],
    pause: @escaping @Sendable (Double) async throws -> Void,
    willRetry: @escaping @Sendable (ChatRetry) -> Void = { _ in }
  ) throws(ChatError) {
    guard limits.connectSeconds > 0, limits.requestSeconds > 0, limits.requestSeconds < 1e6,
      limits.connectSeconds < 1e6, limits.replyByteCount > 0
    else {
      throw ChatError(server.shownURL, .invalid("time-outs and the reply limit must be above 0"))
    }
    self.server = server
    self.limits = limits
    self.pause = pause
    self.willRetry = willRetry
    url = try server.endpoint()
    do throws(HTTPProblem) {
      transport = try HTTPTransport(for: url, authority: server.authority)
    } catch { throw ChatError(server.shownURL, ChatError.Reason(error)) }
    self.cache = ReplyCache(cache)
    // Replies that are at hand need no key.
    key = self.cache?.allowsRequests == false ? nil : try server.key(in: environment)
    gate = RequestGate(width: limits.concurrentRequests)
    // Not part of any result: two processes must not wait in step.
    jitter = Mutex(Philox(seed: UInt64.random(in: .min ... .max)))
  }

  /// The server as messages show it.
  var endpoint: String { server.shownURL }

  /// What was done so far.
  var tally: ChatTally { tallied.withLock { $0 } }

  /// The reply to a body, from the cache or the server.
  ///
  /// - Parameters:
  ///   - body: the body.
  ///   - ordinal: which of several draws with this very body it is.
  /// - Returns: the reply.
  /// - Throws: `ChatError`, `CancellationError`.
  func reply(to body: JSONObject, ordinal: Int) async throws -> ChatReply {
    let key = ReplyCache.key(body, ordinal: ordinal)
    if let kept = cache?.reply(key) {
      tallied.withLock { tally in
        tally.cachedReplies += 1
        tally.add(kept)
      }
      return kept
    }
    if let cache, !cache.allowsRequests { throw failure(.notCached(key: key)) }
    let (value, reply) = try await gate.pass { try await self.fetched(body) }
    tallied.withLock { $0.add(reply) }
    do throws(CheckpointError) { try cache?.keep(value, of: body, key) } catch {
      throw failure(.cache("\(error)"))
    }
    return reply
  }

  private func fetched(_ body: JSONObject) async throws -> (JSONValue, ChatReply) {
    let bytes = JSONValue.object(body).serializedBytes()
    var attempt = 0
    while true {
      try Task.checkCancellation()
      let (reason, retryAfter): (ChatError.Reason, Double?)
      switch await exchange(bytes) {
      case .success(let reply): return reply
      case .failure(let failure): (reason, retryAfter) = (failure.reason, failure.retryAfter)
      }
      try Task.checkCancellation()
      guard reason.isPassing, attempt < limits.retries.limit else {
        throw ChatError(endpoint: server.shownURL, reason: reason, attempts: attempt + 1)
      }
      let seconds = jitter.withLock { generator in
        limits.retries.pause(after: attempt, retryAfter: retryAfter, using: &generator)
      }
      attempt += 1
      willRetry(
        ChatRetry(
          endpoint: server.shownURL,
          reason: "\(reason)",
          attempts: attempt,
          attemptLimit: limits.retries.limit + 1,
          pause: seconds
        )
      )
      try await pause(seconds)
      tallied.withLock { $0.retries += 1 }
    }
  }

  private struct Failure: Error {
    let reason: ChatError.Reason
    var retryAfter: Double?
  }

  /// One attempt.
  private func exchange(_ body: [UInt8]) async -> Result<(JSONValue, ChatReply), Failure> {
    tallied.withLock { $0.requests += 1 }
    var headers = ["Content-Type": "application/json", "Accept": "application/json"]
    if let key { headers["Authorization"] = "Bearer \(key)" }
    let bounds = HTTPLimits(
      connectSeconds: limits.connectSeconds,
      totalSeconds: limits.requestSeconds,
      bodyByteCount: limits.replyByteCount
    )
    do throws(HTTPProblem) {
      return understood(try await transport.post(body, to: url, headers: headers, limits: bounds))
    } catch {
      return .failure(Failure(reason: ChatError.Reason(error)))
    }
  }

  private func understood(_ reply: HTTPReply) -> Result<(JSONValue, ChatReply), Failure> {
    guard reply.status == 200 else {
      let now = Date().timeIntervalSince1970
      let retryAfter = RetrySettings.retryAfter(reply.headers, now: now)
      let reason = ChatError.Reason(reply, retryAfter: retryAfter, hiding: key)
      return .failure(Failure(reason: reason, retryAfter: retryAfter))
    }
    do {
      let limits = JSONLimits(byteCount: limits.replyByteCount, valueCount: 1 << 22)
      let value = try JSONValue.parse(reply.body, limits: limits)
      return .success((value, try ChatReply(value)))
    } catch let problem as ChatReplyProblem {
      return .failure(Failure(reason: .malformed(problem.text)))
    } catch {
      let start = String(decoding: reply.body.prefix(200), as: UTF8.self)
      let text = "\(error), it begins \"\(shown(start, hiding: key, limit: 80))\""
      return .failure(Failure(reason: .malformed(text)))
    }
  }

  private func failure(_ reason: ChatError.Reason) -> ChatError {
    ChatError(server.shownURL, reason)
  }
}

extension ChatTally {
  fileprivate mutating func add(_ reply: ChatReply) {
    answers += reply.choices.count
    promptTokens += reply.promptTokens ?? 0
    answerTokens += reply.completionTokens ?? 0
  }
}
