import Foundation
import Synchronization

/// A server on the loopback interface that speaks just enough HTTP/1.1 to misbehave.
///
/// Each connection has a thread of its own. The handler tells, step by step, what goes out.
package final class MockServer: Sendable {
  /// What the server does next on a connection.
  package enum Step: Sendable {
    /// Sends bytes.
    case send([UInt8])
    /// Sends the same bytes over and over until the client is gone.
    case flood([UInt8])
    /// Sends a byte at a time, that many seconds apart, until the client is gone.
    case drip(UInt8, seconds: Double)
    /// Waits until the client is gone, or that many seconds.
    case wait(seconds: Double)
    /// Resets the connection: what was not delivered is lost.
    case reset
  }

  /// A request as it came.
  package struct Request: Sendable {
    /// The method, the path and the version.
    package var line: String
    /// Names in lower case.
    package var headers: [String: String]
    /// The body.
    package var body: [UInt8]
  }

  /// Where it listens.
  package let port: UInt16
  private let listener: Int32
  private let handler: @Sendable (Request, Int) -> [Step]
  /// What is said before a request has been understood; nil for a server that listens first.
  private let greeting: [UInt8]?
  private let seen = Mutex<[Request]>([])
  private let isStopped = Mutex(false)
  private let active = Mutex((now: 0, most: 0))

  /// A server on a port of its own; `handler` gets each request and its number from 0.
  package convenience init(_ handler: @escaping @Sendable (Request, Int) -> [Step]) throws {
    try self.init(greeting: nil, handler)
  }

  /// A server that answers whatever comes first with these bytes, and closes.
  package convenience init(answersAtOnce bytes: [UInt8]) throws {
    try self.init(greeting: bytes) { _, _ in [] }
  }

  private init(
    greeting: [UInt8]?,
    _ handler: @escaping @Sendable (Request, Int) -> [Step]
  ) throws {
    self.greeting = greeting
    self.handler = handler
    #if canImport(Darwin)
      let listener = socket(AF_INET, SOCK_STREAM, 0)
    #else
      let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #endif
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, 64) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    guard listener >= 0, isBound else { throw POSIXError(.EADDRNOTAVAIL) }
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [self] in acceptAll() }
  }

  /// The base URL of a chat endpoint.
  package var baseURL: String { "http://127.0.0.1:\(port)/v1" }
  /// The requests so far.
  package var requests: [Request] { seen.withLock { $0 } }
  /// The most requests that were under way at a time.
  package var mostAtOnce: Int { active.withLock { $0.most } }

  /// Takes no more connections.
  package func stop() {
    isStopped.withLock { $0 = true }
    // Whoever waits in `accept` wakes up and closes the socket: if it were closed here, its number might be
    // that of another server before `accept` is called again, whose clients would be turned away.
    shutdown(listener, 2)
  }

  private func acceptAll() {
    defer { close(listener) }
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else {
        if errno == EINTR || errno == ECONNABORTED { continue }
        return
      }
      if isStopped.withLock({ $0 }) {
        close(client)
        return
      }
      Thread.detachNewThread { [self] in
        serve(client)
        close(client)
      }
    }
  }

  private func serve(_ client: Int32) {
    #if canImport(Darwin)
      var on: Int32 = 1
      setsockopt(client, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
    if let greeting {
      var bytes: [UInt8] = []
      if fill(&bytes, client), send(greeting, client) { _ = isGone(client, within: 5) }
      return
    }
    guard let request = read(client) else { return }
    let number = seen.withLock { seen in
      seen.append(request)
      return seen.count - 1
    }
    active.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
    defer { active.withLock { $0.now -= 1 } }
    for step in handler(request, number) {
      guard perform(step, client) else { return }
    }
    // A socket that is closed before the other side has read can take the reply with it.
    shutdown(client, Int32(SHUT_WR))
    _ = isGone(client, within: 60)
  }

  // MARK: - Sending

  private func perform(_ step: Step, _ client: Int32) -> Bool {
    switch step {
    case .send(let bytes): return send(bytes, client)
    case .flood(let bytes):
      while send(bytes, client) {}
      return false
    case .drip(let byte, let seconds):
      while send([byte], client), !isGone(client, within: seconds) {}
      return false
    case .wait(let seconds): return !isGone(client, within: seconds)
    case .reset:
      var now = linger(l_onoff: 1, l_linger: 0)
      setsockopt(client, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
      return false
    }
  }

  private func send(_ bytes: [UInt8], _ client: Int32) -> Bool {
    #if canImport(Darwin)
      let flags: Int32 = 0
    #else
      let flags = Int32(MSG_NOSIGNAL)
    #endif
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Foundation.send(client, buffer.baseAddress.map { $0 + done }, bytes.count - done, flags)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// Waits for the client to close its end.
  private func isGone(_ client: Int32, within seconds: Double) -> Bool {
    var entry = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, Int32(seconds * 1000)) > 0 else { return false }
    var byte: UInt8 = 0
    return recv(client, &byte, 1, Int32(MSG_PEEK)) <= 0
  }

  // MARK: - Reading

  private func read(_ client: Int32) -> Request? {
    var bytes: [UInt8] = []
    var end: Int?
    while end == nil {
      guard fill(&bytes, client), bytes.count < 1 << 20 else { return nil }
      end = bytes.indices.first { bytes[$0...].starts(with: [13, 10, 13, 10]) }
    }
    let head = String(decoding: bytes[..<(end ?? 0)], as: UTF8.self)
    let lines = head.components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
    }
    var body = Array(bytes[((end ?? 0) + 4)...])
    if headers["expect"]?.lowercased() == "100-continue" {
      _ = send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), client)
    }
    let length = headers["content-length"].flatMap { Int($0) } ?? 0
    while body.count < length { guard fill(&body, client) else { return nil } }
    return Request(line: lines.first ?? "", headers: headers, body: body)
  }

  private func fill(_ bytes: inout [UInt8], _ client: Int32) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(client, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    bytes += buffer[..<count]
    return true
  }
}
