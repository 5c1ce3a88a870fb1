import Foundation
import Synchronization

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Exchanges through `URLSession`.
final class SecureTransport: Sendable {
  private let session: URLSession
  private let replies: ReplyCollector
  private let table: ExchangeTable
  // The operation queue does not own it. A thread of its own: what waits in it waits in memory.
  private let delegateThread = DispatchQueue(label: "SecureTransport", qos: .userInteractive)

  init(_ table: ExchangeTable) {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.urlCache = nil
    configuration.httpCookieStorage = nil
    configuration.httpShouldSetCookies = false
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    configuration.httpMaximumConnectionsPerHost = 64
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    queue.underlyingQueue = delegateThread
    self.table = table
    replies = ReplyCollector(table)
    session = URLSession(configuration: configuration, delegate: replies, delegateQueue: queue)
  }

  // The session keeps its delegate until it is invalidated.
  deinit { session.invalidateAndCancel() }

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
    let task = session.dataTask(with: request)
    return try await table.run(limits) { number in
      replies.begin(task.taskIdentifier, number, limits)
      task.resume()
    } stop: { _ in
      replies.forget(task.taskIdentifier)
      task.cancel()
    }
  }
}

/// Collects replies, by the number of their task.
private final class ReplyCollector: NSObject, URLSessionDataDelegate {
  private struct Collected {
    let number: Int
    let limits: HTTPLimits
    var reply: HTTPReply?
  }

  private let tasks = Mutex<[Int: Collected]>([:])
  private let table: ExchangeTable

  init(_ table: ExchangeTable) { self.table = table }

  func begin(_ task: Int, _ number: Int, _ limits: HTTPLimits) {
    tasks.withLock { $0[task] = Collected(number: number, limits: limits) }
  }

  func forget(_ task: Int) { _ = tasks.withLock { $0.removeValue(forKey: task) } }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    didSendBodyData bytesSent: Int64,
    totalBytesSent: Int64,
    totalBytesExpectedToSend: Int64
  ) {
    let number = tasks.withLock { $0[task.taskIdentifier]?.number }
    if let number { table.noteConnected(number) }
  }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest,
    completionHandler: @escaping (URLRequest?) -> Void
  ) {
    // The redirection itself is the reply.
    _ = note(response, of: task)
    completionHandler(nil)
  }

  func urlSession(
    _ session: URLSession,
    dataTask: URLSessionDataTask,
    didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    completionHandler(note(response, of: dataTask) ? .allow : .cancel)
  }

  /// Whether the body may come.
  private func note(_ response: URLResponse, of task: URLSessionTask) -> Bool {
    guard let response = response as? HTTPURLResponse else { return false }
    var headers: [String: String] = [:]
    for (name, value) in response.allHeaderFields {
      headers["\(name)".lowercased()] = "\(value)"
    }
    let reply = HTTPReply(status: response.statusCode, headers: headers, body: [])
    let collected = tasks.withLock { tasks in
      tasks[task.taskIdentifier]?.reply = reply
      return tasks[task.taskIdentifier]
    }
    guard let collected else { return false }
    table.noteConnected(collected.number)
    guard response.expectedContentLength <= collected.limits.bodyByteCount else {
      table.end(collected.number, .failure(.tooLarge(limit: collected.limits.bodyByteCount)))
      return false
    }
    return true
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    let task = dataTask.taskIdentifier
    let excess = tasks.withLock { tasks -> Collected? in
      guard let collected = tasks[task] else { return nil }
      let limit = collected.limits.bodyByteCount
      guard let reply = collected.reply, reply.body.count + data.count <= limit else {
        tasks[task] = nil
        return collected
      }
      tasks[task]?.reply?.body.append(contentsOf: data)
      return nil
    }
    guard let excess else { return }
    table.end(excess.number, .failure(.tooLarge(limit: excess.limits.bodyByteCount)))
    dataTask.cancel()
  }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    didCompleteWithError error: (any Error)?
  ) {
    let collected = tasks.withLock { $0.removeValue(forKey: task.taskIdentifier) }
    guard let collected else { return }
    if let error = error as NSError? {
      // On a machine that has no time for ours, the session's own clock may be first.
      let isLate = error.domain == NSURLErrorDomain && error.code == NSURLErrorTimedOut
      let problem = HTTPProblem.network(error.localizedDescription)
      let late = HTTPProblem.timedOut(seconds: collected.limits.totalSeconds)
      table.end(collected.number, .failure(isLate ? late : problem))
    } else if let reply = collected.reply {
      table.end(collected.number, .success(reply))
    } else {
      table.end(collected.number, .failure(.network("the connection ended without a reply")))
    }
  }
}
