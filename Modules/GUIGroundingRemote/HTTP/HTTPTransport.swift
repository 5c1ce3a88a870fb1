import Foundation
import Synchronization

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Sends requests through one `URLSession` and waits for whole replies, within limits.
///
/// An exchange ends when the reply is whole, a limit is hit or the task is cancelled, whichever
/// comes first, and never later than its total time: a server that drips bytes or sends without end
/// costs that time and that many bytes. Redirections are not followed, since they would carry the
/// key to another place; nothing is stored, neither cookies nor replies.
final class HTTPTransport: Sendable {
  private let session: URLSession
  private let exchanges: ExchangeTable

  init() {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.urlCache = nil
    configuration.httpCookieStorage = nil
    configuration.httpShouldSetCookies = false
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    configuration.httpMaximumConnectionsPerHost = 64
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    exchanges = ExchangeTable()
    session = URLSession(configuration: configuration, delegate: exchanges, delegateQueue: queue)
  }

  // The session keeps its delegate until it is invalidated.
  deinit { session.invalidateAndCancel() }

  /// Sends a request with a body.
  ///
  /// - Returns: the reply, whatever its status.
  /// - Throws: `HTTPProblem`.
  func post(
    _ body: [UInt8],
    to url: URL,
    headers: [String: String],
    limits: HTTPLimits
  ) async throws(HTTPProblem) -> HTTPReply {
    var request = URLRequest(url: url)
    request.httpMethod = "POST"
    request.httpBody = Data(body)
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    // Ours end first; this one only has to be out of the way.
    request.timeoutInterval = limits.totalSeconds + 60
    guard !Task.isCancelled else { throw .cancelled }
    let task = session.dataTask(with: request)
    let number = task.taskIdentifier
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        exchanges.begin(number, limits, continuation)
        exchanges.watch(number, limits) { task.cancel() }
        task.resume()
        // A cancellation that came before `begin` found nothing to end.
        if Task.isCancelled { exchanges.end(number, .failure(.cancelled)) }
      }
    } onCancel: {
      exchanges.end(number, .failure(.cancelled))
    }
    if case .failure = outcome { task.cancel() }
    return try outcome.get()
  }
}

/// The exchanges that are under way, by the number of their task.
private final class ExchangeTable: NSObject, URLSessionDataDelegate {
  typealias Outcome = Result<HTTPReply, HTTPProblem>

  private struct Exchange {
    let limits: HTTPLimits
    let continuation: CheckedContinuation<Outcome, Never>
    var reply: HTTPReply?
    var isConnected = false
    var watch: Task<Void, Never>?
  }

  private let table = Mutex<[Int: Exchange]>([:])

  func begin(
    _ number: Int,
    _ limits: HTTPLimits,
    _ continuation: CheckedContinuation<Outcome, Never>
  ) {
    table.withLock { $0[number] = Exchange(limits: limits, continuation: continuation) }
  }

  /// Ends the exchange when one of its times is over.
  func watch(_ number: Int, _ limits: HTTPLimits, _ cancel: @escaping @Sendable () -> Void) {
    let connect = min(limits.connectSeconds, limits.totalSeconds)
    let watch = Task { [weak self] in
      guard (try? await Task.sleep(for: .seconds(connect))) != nil, let self else { return }
      if !isConnected(number) {
        end(number, .failure(.connectTimedOut(seconds: connect)))
        return cancel()
      }
      guard (try? await Task.sleep(for: .seconds(limits.totalSeconds - connect))) != nil else {
        return
      }
      end(number, .failure(.timedOut(seconds: limits.totalSeconds)))
      cancel()
    }
    let isOver = table.withLock { table in
      table[number]?.watch = watch
      return table[number] == nil
    }
    if isOver { watch.cancel() }
  }

  private func isConnected(_ number: Int) -> Bool {
    table.withLock { $0[number]?.isConnected ?? true }
  }

  /// Gives the outcome to whoever waits; later ones are of no interest.
  func end(_ number: Int, _ outcome: Outcome) {
    let exchange = table.withLock { $0.removeValue(forKey: number) }
    exchange?.watch?.cancel()
    exchange?.continuation.resume(returning: outcome)
  }

  // MARK: - URLSessionDataDelegate

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    didSendBodyData bytesSent: Int64,
    totalBytesSent: Int64,
    totalBytesExpectedToSend: Int64
  ) {
    table.withLock { $0[task.taskIdentifier]?.isConnected = true }
  }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest,
    completionHandler: @escaping (URLRequest?) -> Void
  ) {
    // The redirection itself is the reply.
    note(response, of: task)
    completionHandler(nil)
  }

  func urlSession(
    _ session: URLSession,
    dataTask: URLSessionDataTask,
    didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    note(response, of: dataTask)
    completionHandler(.allow)
  }

  private func note(_ response: URLResponse, of task: URLSessionTask) {
    guard let response = response as? HTTPURLResponse else { return }
    var headers: [String: String] = [:]
    for (name, value) in response.allHeaderFields {
      headers["\(name)".lowercased()] = "\(value)"
    }
    let reply = HTTPReply(status: response.statusCode, headers: headers, body: [])
    table.withLock { table in
      table[task.taskIdentifier]?.isConnected = true
      table[task.taskIdentifier]?.reply = reply
    }
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    let number = dataTask.taskIdentifier
    let excess = table.withLock { table -> Int? in
      guard let exchange = table[number] else { return nil }
      let limit = exchange.limits.bodyByteCount
      guard let reply = exchange.reply, reply.body.count + data.count <= limit else {
        return limit
      }
      table[number]?.reply?.body.append(contentsOf: data)
      return nil
    }
    guard let excess else { return }
    end(number, .failure(.tooLarge(limit: excess)))
    dataTask.cancel()
  }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    didCompleteWithError error: (any Error)?
  ) {
    let number = task.taskIdentifier
    let reply = table.withLock { $0[number]?.reply }
    if let error {
      end(number, .failure(.network((error as NSError).localizedDescription)))
    } else if let reply {
      end(number, .success(reply))
    } else {
      end(number, .failure(.network("the connection ended without a reply")))
    }
  }
}
