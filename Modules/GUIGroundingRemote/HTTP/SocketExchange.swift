import Foundation

/// One exchange over a socket: connect, send, read until the reply is whole.
///
/// Runs on a thread of its own and stops within a twentieth of a second when nobody waits any more.
/// Bytes are read when there is room for them: a server that floods waits for us, not we for it.
struct SocketExchange: Sendable {
  private let request: HTTPRequestBytes
  private let limit: Int

  /// Milliseconds between two looks at whether somebody still waits.
  private static let sliceMilliseconds: Int32 = 50

  init(_ request: HTTPRequestBytes, limit: Int) { (self.request, self.limit) = (request, limit) }

  /// Runs the exchange and ends it in the table.
  func run(_ number: Int, _ table: ExchangeTable) {
    do throws(HTTPProblem) {
      let socket = try connected(number, table)
      defer { close(socket) }
      table.noteConnected(number)
      // Some servers answer, and close, before they have read everything.
      let fault = sendAll(socket, number, table)
      do throws(HTTPProblem) {
        table.end(number, .success(try reply(socket, number, table)))
      } catch .network(let text) {
        throw .network(fault ?? text)
      }
    } catch {
      table.end(number, .failure(error))
    }
  }

  // MARK: - Connecting

  private func connected(_ number: Int, _ table: ExchangeTable) throws(HTTPProblem) -> Int32 {
    var hints = addrinfo()
    #if canImport(Darwin)
      hints.ai_socktype = SOCK_STREAM
    #else
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #endif
    var list: UnsafeMutablePointer<addrinfo>?
    let (host, port) = (request.host, request.port)
    let code = getaddrinfo(host, String(port), &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    guard code == 0 else {
      throw .network("no address of \(host): " + String(cString: gai_strerror(code)))
    }
    var reason = "no address of \(host)"
    var next = list
    while let address = next?.pointee {
      switch connect(address, number, table) {
      case .success(let socket): return socket
      case .failure(let problem): reason = "\(host), port \(port): \(problem.text)"
      }
      if table.isOver(number) { throw .cancelled }
      next = address.ai_next
    }
    throw .network(reason)
  }

  private struct SystemProblem: Error {
    let text: String
    init(_ code: Int32) { text = String(cString: strerror(code)) }
  }

  private func connect(
    _ address: addrinfo,
    _ number: Int,
    _ table: ExchangeTable
  ) -> Result<Int32, SystemProblem> {
    let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
    guard descriptor >= 0 else { return .failure(SystemProblem(errno)) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    #if canImport(Darwin)
      var on: Int32 = 1
      setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
    var code: Int32 = 0
    if Foundation.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
      code = errno
      if code == EINPROGRESS || code == EINTR {
        code = ETIMEDOUT
        if wait(descriptor, Int16(POLLOUT), number, table) {
          var length = socklen_t(MemoryLayout<Int32>.size)
          getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        }
      }
    }
    guard code != 0 else { return .success(descriptor) }
    close(descriptor)
    return .failure(SystemProblem(code))
  }

  // MARK: - Sending and reading

  /// Waits until something can be done with a socket; false when nobody waits for us any more.
  private func wait(
    _ socket: Int32,
    _ events: Int16,
    _ number: Int,
    _ table: ExchangeTable
  ) -> Bool {
    while !table.isOver(number) {
      var entry = pollfd(fd: socket, events: events, revents: 0)
      let count = poll(&entry, 1, Self.sliceMilliseconds)
      if count > 0 { return true }
      if count < 0, errno != EINTR { return true }
    }
    return false
  }

  /// Sends the request.
  ///
  /// - Returns: why not all of it was sent, or nil.
  private func sendAll(_ socket: Int32, _ number: Int, _ table: ExchangeTable) -> String? {
    #if canImport(Darwin)
      let flags: Int32 = 0
    #else
      let flags = Int32(MSG_NOSIGNAL)
    #endif
    for part in [request.head, request.body] {
      var done = 0
      while done < part.count {
        guard wait(socket, Int16(POLLOUT), number, table) else { return "given up" }
        let count = part.withUnsafeBytes { bytes in
          send(socket, bytes.baseAddress.map { $0 + done }, part.count - done, flags)
        }
        if count < 0, [EINTR, EAGAIN, EWOULDBLOCK].contains(errno) { continue }
        guard count > 0 else { return String(cString: strerror(errno)) }
        done += count
      }
    }
    return nil
  }

  private func reply(
    _ socket: Int32,
    _ number: Int,
    _ table: ExchangeTable
  ) throws(HTTPProblem) -> HTTPReply {
    var parser = HTTPReplyParser(limit: limit)
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while wait(socket, Int16(POLLIN), number, table) {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count < 0, [EINTR, EAGAIN, EWOULDBLOCK].contains(errno) { continue }
      guard count >= 0 else { throw .network(String(cString: strerror(errno))) }
      guard count > 0 else { return try parser.finish() }
      if let reply = try parser.take(buffer[..<count]) { return reply }
    }
    throw .cancelled
  }
}
