import Checkpoints
import Foundation
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `apus-serve` in a process of its own, at a port that it has chosen.
///
/// `@unchecked Sendable`: what requests use is never changed; the process belongs to the test.
final class ServerUnderTest: @unchecked Sendable {
  /// An answer of the server.
  struct Answer {
    var status: Int
    var headers: [String: String]
    var text: String

    /// The body as JSON.
    func document() throws -> JSONValue { try JSONValue.parse(text) }

    /// The documents of a stream of events, without the word that ends it.
    func events() throws -> [JSONValue] {
      let data = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
      #expect(data.last == "data: [DONE]")
      return try data.dropLast().map { try JSONValue.parse(String($0.dropFirst("data: ".count))) }
    }
  }

  let process: Invocation
  let address: String
  private let session: URLSession

  /// Starts the server and waits until it listens.
  init(_ arguments: [String], environment: String = "") throws {
    process = try Invocation(
      arguments + ["--port", "0", "--threads", "1"],
      of: "apus-serve",
      through: "\(environment) exec \"$0\" \"$@\""
    )
    var address: String?
    let process = process
    let listens = process.waits {
      guard process.error.hasSuffix("\n") else { return false }
      let words = process.error.split(whereSeparator: \.isWhitespace)
      address = words.first { $0.hasPrefix("http://") }.map { String($0) }
      return address != nil
    }
    try #require(listens, "\(process.error)")
    self.address = try #require(address)
    session = URLSession(configuration: .ephemeral)
  }

  deinit { process.send(SIGKILL) }

  /// Sends a request and waits for the answer.
  func send(
    _ method: String = "GET",
    _ path: String,
    _ body: JSONValue? = nil,
    text: String? = nil,
    headers: [String: String] = [:]
  ) async throws -> Answer {
    var request = URLRequest(url: try #require(URL(string: address + path)))
    request.httpMethod = method
    if let data = text ?? body?.serialized() {
      request.httpBody = Data(data.utf8)
      request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    }
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let (data, response) = try await session.data(for: request)
    let answer = try #require(response as? HTTPURLResponse)
    var fields: [String: String] = [:]
    for (name, value) in answer.allHeaderFields {
      fields["\(name)".lowercased()] = "\(value)"
    }
    return Answer(
      status: answer.statusCode,
      headers: fields,
      text: String(decoding: data, as: UTF8.self)
    )
  }

  /// Posts a document and reads another, which must come with 200.
  func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
    let answer = try await send("POST", path, body)
    #expect(answer.status == 200, "\(answer.text)")
    return try answer.document()
  }

  /// Sends a request whose answer nobody waits for, and hangs up after some time.
  func hangUp(on path: String, _ body: JSONValue, after seconds: Double) async throws {
    let text = body.serialized()
    let request = """
      POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
      Content-Length: \(text.utf8.count)\r\n\r\n\(text)
      """
    let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
    let connection = try openConnection(port)
    defer { close(connection) }
    let sent = Array(request.utf8).withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
    #expect(sent == request.utf8.count)
    try await Task.sleep(for: .seconds(seconds))
  }

  /// Sends bytes and reads until the server closes the connection, or to the end of a first object.
  func exchange(_ request: String, readsOneObject: Bool = false) async throws -> String {
    let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
    let connection = try openConnection(port)
    defer { close(connection) }
    let sent = Array(request.utf8).withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
    #expect(sent == request.utf8.count)
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
      answer += buffer[..<count]
      if readsOneObject, answer.last == UInt8(ascii: "}") {
        return String(decoding: answer, as: UTF8.self)
      }
    }
  }

  private func openConnection(_ port: UInt16) throws -> Int32 {
    let connection = Self.makeSocket()
    let status = Self.withLocalAddress(port) { connect(connection, $0, $1) }
    try #require(status == 0)
    return connection
  }

  private static func makeSocket() -> Int32 {
    #if canImport(Darwin)
      socket(AF_INET, SOCK_STREAM, 0)
    #else
      socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #endif
  }

  private static func withLocalAddress<Result>(
    _ port: UInt16,
    _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// A port that nobody listens at now.
  static func freePort() throws -> Int {
    let listener = makeSocket()
    defer { close(listener) }
    try #require(withLocalAddress(0) { bind(listener, $0, $1) } == 0)
    return withLocalAddress(0) { address, length in
      var length = length
      getsockname(listener, address, &length)
      return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        Int(UInt16(bigEndian: $0.pointee.sin_port))
      }
    }
  }

  /// A number of `/metrics`; nil where it is not there.
  func metric(_ name: String) async throws -> Double? {
    let text = try await send("GET", "/metrics").text
    let line = text.split(separator: "\n").first { $0.hasPrefix("apus_\(name){") }
    return line.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
  }

  /// Asks every few milliseconds until something holds, for ten seconds at most.
  func waits(until condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<1000 {
      if try await condition() { return true }
      try await Task.sleep(for: .milliseconds(10))
    }
    return false
  }
}
