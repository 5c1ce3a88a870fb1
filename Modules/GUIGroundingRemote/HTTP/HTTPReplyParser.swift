/// Reads a reply of HTTP/1.1 from bytes as they come.
///
/// The body ends by its length, by the last chunk, or with the connection. Interim replies (status
/// 100 to 199) are skipped. The head is at most 64 KiB, the body at most what the caller allows; no
/// more than that is ever kept.
///
/// - Source: RFC 9112, sections 2 to 7.
struct HTTPReplyParser {
  private enum State: Equatable {
    case head
    case body(remaining: Int)
    case bodyToTheEnd
    case chunkSize
    case chunk(remaining: Int)
    case chunkEnd
    case trailer
    case done
  }

  /// The longest head, and the longest list of trailers.
  static let headLimit = 64 << 10
  /// The longest line that tells the size of a chunk.
  private static let sizeLineLimit = 4096

  /// How a server that wants TLS begins to complain: a record of the type alert, version 3.
  private static let alert: [UInt8] = [0x15, 0x03]

  private let limit: Int
  private var state = State.head
  /// The line, or the head, that is being read.
  private var line: [UInt8] = []
  private var trailerCount = 0
  private var reply = HTTPReply(status: 0, headers: [:], body: [])

  /// A parser of one reply with at most `limit` bytes of body.
  init(limit: Int) { self.limit = limit }

  /// Takes the next bytes.
  ///
  /// - Returns: the reply, once it is whole; nil while more must come.
  /// - Throws: `HTTPProblem.tooLarge`, and `.network` for what is no HTTP.
  mutating func take(_ bytes: ArraySlice<UInt8>) throws(HTTPProblem) -> HTTPReply? {
    var rest = bytes
    while !rest.isEmpty, state != .done {
      switch state {
      case .head: try takeHead(&rest)
      case .body(let remaining): try append(&rest, upTo: remaining)
      case .bodyToTheEnd: try append(&rest, upTo: .max)
      case .chunkSize: try takeChunkSize(&rest)
      case .chunk(let remaining): try append(&rest, upTo: remaining)
      case .chunkEnd: try takeChunkEnd(&rest)
      case .trailer: try takeTrailer(&rest)
      case .done: break
      }
    }
    return state == .done ? reply : nil
  }

  /// The reply when the connection has ended.
  ///
  /// - Throws: `HTTPProblem.network` when it is not whole.
  func finish() throws(HTTPProblem) -> HTTPReply {
    if state == .bodyToTheEnd || state == .done { return reply }
    let isEmpty = state == .head && line.isEmpty
    throw .network(
      isEmpty
        ? "the server closed the connection without a reply"
        : "the connection ended before the reply was whole"
    )
  }

  // MARK: - Head

  private mutating func takeHead(_ rest: inout ArraySlice<UInt8>) throws(HTTPProblem) {
    while let byte = rest.popFirst() {
      line.append(byte)
      if line.count == 2, line == Self.alert { throw .onlyTLS }
      guard line.count <= Self.headLimit else { throw .network("the head of the reply is endless") }
      // Bare line feeds are taken for line ends, as many clients do.
      if byte == 0x0A, line.hasSuffix([0x0D, 0x0A, 0x0D, 0x0A]) || line.hasSuffix([0x0A, 0x0A]) {
        try finishHead()
        return
      }
    }
  }

  private mutating func finishHead() throws(HTTPProblem) {
    let lines = line.split(separator: 0x0A).map { bytes in
      String(decoding: bytes.last == 0x0D ? bytes.dropLast() : bytes, as: UTF8.self)
    }
    line = []
    let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3,
      let status = Int(words[1]), status >= 100
    else { throw .network("what the server sends is no HTTP/1.1") }
    guard status >= 200 else { return }
    reply.status = status
    for text in lines.dropFirst() {
      guard let colon = text.firstIndex(of: ":") else { continue }
      let name = text[..<colon].lowercased()
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      reply.headers[name] = String(value)
    }
    try beginBody()
  }

  private mutating func beginBody() throws(HTTPProblem) {
    if reply.status == 204 || reply.status == 304 {
      state = .done
    } else if let coding = reply.headers["transfer-encoding"]?.lowercased(), coding != "identity" {
      guard coding == "chunked" else { throw .network("unknown transfer coding \(coding)") }
      state = .chunkSize
    } else if let text = reply.headers["content-length"] {
      guard let length = Int(text.filter { $0 != " " }), length >= 0 else {
        throw .network("the length of the reply makes no sense")
      }
      // Known to be too long before a byte of it has come.
      guard length <= limit else { throw .tooLarge(limit: limit) }
      state = length == 0 ? .done : .body(remaining: length)
    } else {
      state = .bodyToTheEnd
    }
  }

  // MARK: - Body

  private mutating func append(
    _ rest: inout ArraySlice<UInt8>,
    upTo remaining: Int
  ) throws(HTTPProblem) {
    let part = rest.prefix(remaining)
    rest = rest.dropFirst(part.count)
    guard reply.body.count + part.count <= limit else { throw .tooLarge(limit: limit) }
    reply.body += part
    let left = remaining - part.count
    switch state {
    case .body: state = left == 0 ? .done : .body(remaining: left)
    case .chunk: state = left == 0 ? .chunkEnd : .chunk(remaining: left)
    case .head, .bodyToTheEnd, .chunkSize, .chunkEnd, .trailer, .done: break
    }
  }

  private mutating func takeChunkSize(_ rest: inout ArraySlice<UInt8>) throws(HTTPProblem) {
    guard let text = try takeLine(&rest) else { return }
    // Extensions follow a semicolon.
    let digits = text.prefix { $0 != ";" && $0 != " " }
    guard let size = Int(digits, radix: 16), size >= 0, !digits.hasPrefix("+") else {
      throw .network("the size of a chunk makes no sense")
    }
    guard size <= limit - reply.body.count else { throw .tooLarge(limit: limit) }
    state = size == 0 ? .trailer : .chunk(remaining: size)
  }

  private mutating func takeChunkEnd(_ rest: inout ArraySlice<UInt8>) throws(HTTPProblem) {
    guard let text = try takeLine(&rest) else { return }
    guard text.isEmpty else { throw .network("a chunk is longer than it says") }
    state = .chunkSize
  }

  private mutating func takeTrailer(_ rest: inout ArraySlice<UInt8>) throws(HTTPProblem) {
    guard let text = try takeLine(&rest) else { return }
    trailerCount += text.utf8.count + 1
    guard trailerCount <= Self.headLimit else { throw .network("the trailers are endless") }
    if text.isEmpty { state = .done }
  }

  /// A whole line without its end; nil while its end has not come.
  private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) throws(HTTPProblem) -> String? {
    while let byte = rest.popFirst() {
      guard byte != 0x0A else {
        let text = String(decoding: line.last == 0x0D ? line.dropLast() : line[...], as: UTF8.self)
        line = []
        return text
      }
      line.append(byte)
      guard line.count <= Self.sizeLineLimit else { throw .network("a line is endless") }
    }
    return nil
  }
}

extension [UInt8] {
  fileprivate func hasSuffix(_ end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}
