import Checkpoints
import Dispatch
import Foundation
import Synchronization

/// Commands to a browser and what it answers, over its debugging pipe.
///
/// Messages are JSON objects in UTF-8, each ended by a zero byte. A command has a number that its
/// answer repeats; messages without a number are events.
///
/// - Source: Chrome DevTools Protocol; `--remote-debugging-pipe`.
final class DevToolsConnection: Sendable {
  /// The longest message that is taken, in bytes: a screenshot of 100 million noisy pixels.
  private static let messageLimit = 512 << 20
  // Not a task that sleeps: tasks that compute may hold every thread that tasks have.
  private static let clock = DispatchQueue(label: "DevToolsConnection.clock", qos: .userInteractive)

  private enum Wait: Hashable {
    case answer(Int64)
    case event(Int64)
  }

  private struct Waiting {
    var session: String?
    /// The event that is waited for.
    var method: String?
    var outcome: Result<JSONValue, BrowserError>?
    var continuation: CheckedContinuation<Result<JSONValue, BrowserError>, Never>?
  }

  private struct State {
    var next: Int64 = 1
    var waiting: [Wait: Waiting] = [:]
    /// Why there will be no more messages.
    var end: BrowserError?
    var crashed: Set<String> = []
  }

  #if canImport(Darwin)
    // The socket itself is set to give an error.
    private static let noSignal: Int32 = 0
  #else
    private static let noSignal = Int32(MSG_NOSIGNAL)
  #endif

  private let socket: Int32
  private let state = Mutex(State())
  private let writing = Mutex(())
  /// The end of what the browser wrote, for messages about its end.
  private let log: @Sendable () -> String

  /// A connection over an open socket, which it closes in the end.
  init(socket: Int32, log: @escaping @Sendable () -> String) {
    self.socket = socket
    self.log = log
    // The thread keeps the connection alive until the other end is closed, or ours is shut.
    Thread.detachNewThread { [self] in readAll() }
  }

  deinit { close(socket) }

  /// Ends the connection: whoever waits gets an error.
  func disconnect() {
    #if canImport(Darwin)
      shutdown(socket, SHUT_RDWR)
    #else
      shutdown(socket, Int32(SHUT_RDWR))
    #endif
  }

  // MARK: - Commands

  /// Sends a command and waits for its answer.
  ///
  /// - Parameters:
  ///   - method: the command.
  ///   - parameters: its parameters.
  ///   - session: the page that it is for; nil for the browser.
  ///   - seconds: how long to wait.
  /// - Returns: the result.
  /// - Throws: `BrowserError`.
  @discardableResult
  func call(
    _ method: String,
    _ parameters: JSONObject = [:],
    session: String? = nil,
    seconds: Double = 20
  ) async throws(BrowserError) -> JSONValue {
    let number = try state.withLock { state throws(BrowserError) in
      if let end = state.end { throw end }
      if let session, state.crashed.contains(session) { throw BrowserError.crashed(page: session) }
      defer { state.next += 1 }
      state.waiting[.answer(state.next)] = Waiting(session: session)
      return state.next
    }
    do { try send(method, parameters, session, number) } catch {
      _ = state.withLock { $0.waiting.removeValue(forKey: .answer(number)) }
      throw error
    }
    do throws(BrowserError) {
      return try await outcome(of: .answer(number), method, seconds)
    } catch .refused(_, let message) {
      throw .refused(command: method, message: message)
    }
  }

  /// Runs `action` and waits for an event that comes during or after it.
  ///
  /// - Throws: `BrowserError`, also those of `action`.
  func event(
    _ method: String,
    session: String,
    seconds: Double,
    after action: () async throws(BrowserError) -> Void
  ) async throws(BrowserError) {
    let wait = state.withLock { state in
      defer { state.next += 1 }
      let wait = Wait.event(state.next)
      state.waiting[wait] = Waiting(
        session: session,
        method: method,
        outcome: state.end.map { .failure($0) }
      )
      return wait
    }
    do throws(BrowserError) { try await action() } catch {
      _ = state.withLock { $0.waiting.removeValue(forKey: wait) }
      throw error
    }
    _ = try await outcome(of: wait, method, seconds)
  }

  private func send(
    _ method: String,
    _ parameters: JSONObject,
    _ session: String?,
    _ number: Int64
  ) throws(BrowserError) {
    var message: JSONObject = ["id": .integer(number), "method": .string(method)]
    message["params"] = .object(parameters)
    if let session { message["sessionId"] = .string(session) }
    var bytes = JSONValue.object(message).serializedBytes()
    bytes.append(0)
    let isSent = writing.withLock { _ in
      bytes.withUnsafeBytes { bytes in
        var done = 0
        while done < bytes.count, let start = bytes.baseAddress {
          let count = Foundation.send(socket, start + done, bytes.count - done, Self.noSignal)
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { return false }
          done += count
        }
        return true
      }
    }
    guard !isSent else { return }
    throw state.withLock { $0.end } ?? .ended(log: log())
  }

  /// Waits until somebody settles it, the time is over or the task is cancelled.
  private func outcome(
    of wait: Wait,
    _ what: String,
    _ seconds: Double
  ) async throws(BrowserError) -> JSONValue {
    Self.clock.asyncAfter(deadline: .now() + seconds) { [weak self] in
      self?.settle(wait, .failure(.timedOut(what, seconds: seconds)))
    }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> Result<JSONValue, BrowserError>? in
          if let outcome = state.waiting[wait]?.outcome {
            state.waiting[wait] = nil
            return outcome
          }
          if Task.isCancelled {
            state.waiting[wait] = nil
            return .failure(.cancelled)
          }
          state.waiting[wait]?.continuation = continuation
          return nil
        }
        if let known { continuation.resume(returning: known) }
      }
    } onCancel: {
      settle(wait, .failure(.cancelled))
    }
    return try outcome.get()
  }

  /// Gives an outcome to whoever waits, or keeps it until somebody does.
  private func settle(_ wait: Wait, _ outcome: Result<JSONValue, BrowserError>) {
    typealias Continuation = CheckedContinuation<Result<JSONValue, BrowserError>, Never>
    let continuation = state.withLock { state -> Continuation? in
      guard let waiting = state.waiting[wait], waiting.outcome == nil else { return nil }
      guard let continuation = waiting.continuation else {
        state.waiting[wait]?.outcome = outcome
        return nil
      }
      state.waiting[wait] = nil
      return continuation
    }
    continuation?.resume(returning: outcome)
  }

  // MARK: - Messages

  private func readAll() {
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var message: [UInt8] = []
    while true {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return finish(.ended(log: log())) }
      var rest = buffer[..<count]
      while let end = rest.firstIndex(of: 0) {
        message += rest[..<end]
        take(message)
        message.removeAll(keepingCapacity: message.count < 1 << 22)
        rest = rest[(end + 1)...]
      }
      message += rest
      guard message.count <= Self.messageLimit else {
        return finish(.malformed("a message of more than \(Self.messageLimit) bytes"))
      }
    }
  }

  private func finish(_ end: BrowserError) {
    let waits = state.withLock { state in
      state.end = end
      return Array(state.waiting.keys)
    }
    for wait in waits { settle(wait, .failure(end)) }
  }

  private func take(_ bytes: [UInt8]) {
    // Whoever waits for a message that cannot be read runs into its time.
    guard let message = try? JSONValue.parse(bytes, limits: JSONLimits(depth: 512)) else { return }
    if let number = message["id"]?.integerValue {
      settle(.answer(number), Self.answer(message))
    } else if let method = message["method"]?.stringValue {
      takeEvent(method, message["sessionId"]?.stringValue ?? "", message["params"] ?? .null)
    }
  }

  private static func answer(_ message: JSONValue) -> Result<JSONValue, BrowserError> {
    guard let error = message["error"] else { return .success(message["result"] ?? [:]) }
    let text = error["message"]?.stringValue ?? error.serialized()
    return .failure(.refused(command: "browser", message: text))
  }

  private func takeEvent(_ method: String, _ session: String, _ parameters: JSONValue) {
    switch method {
    case "Page.javascriptDialogOpening":
      // A dialog stops the page until somebody answers; leaving a page is always allowed.
      let isLeaving = parameters["type"]?.stringValue == "beforeunload"
      let number = state.withLock { state in
        defer { state.next += 1 }
        return state.next
      }
      try? send("Page.handleJavaScriptDialog", ["accept": .bool(isLeaving)], session, number)
    case "Inspector.targetCrashed":
      let waits = state.withLock { state in
        state.crashed.insert(session)
        return state.waiting.filter { $0.value.session == session }.map(\.key)
      }
      for wait in waits { settle(wait, .failure(.crashed(page: session))) }
    default:
      let waits = state.withLock { state in
        state.waiting.filter { $0.value.method == method && $0.value.session == session }.map(\.key)
      }
      for wait in waits { settle(wait, .success(parameters)) }
    }
  }
}
