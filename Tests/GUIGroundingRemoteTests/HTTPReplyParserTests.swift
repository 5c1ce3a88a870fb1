import Tensor
import Testing

@testable import GUIGroundingRemote

@Suite struct HTTPReplyParserTests {
  /// Feeds a text in pieces of a size.
  private func parse(
    _ text: String,
    limit: Int = 1000,
    by size: Int = .max
  ) throws(HTTPProblem) -> HTTPReply {
    var parser = HTTPReplyParser(limit: limit)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      if let reply = try parser.take(rest.prefix(size)) { return reply }
      rest = rest.dropFirst(size)
    }
    return try parser.finish()
  }

  private static let whole = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more",
    "HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/1.1 200\nContent-Length: 5\n\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
  ]

  @Test(arguments: whole, [1, 2, 7, 1000]) func wholeReplies(_ text: String, _ size: Int) throws {
    let reply = try parse(text, by: size)
    #expect(reply.status == 200)
    #expect(reply.body == Array("hello".utf8))
  }

  @Test func fieldsAreInLowerCase() throws {
    let reply = try parse("HTTP/1.1 429 X\r\nRetry-After:\t7\r\nContent-Length: 0\r\n\r\n")
    #expect(reply.status == 429 && reply.headers["retry-after"] == "7")
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "hello",
    "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  ])
  func brokenReplies(_ text: String) {
    for size in [1, 3, 1000] {
      let problem = #expect(throws: HTTPProblem.self) { try parse(text, by: size) }
      guard case .network = problem else {
        Issue.record("\(text): \(String(describing: problem))")
        return
      }
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n01234567890",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
  ])
  func longBodiesAreRefused(_ text: String) {
    for size in [1, 1000] {
      #expect(throws: HTTPProblem.tooLarge(limit: 10)) { try parse(text, limit: 10, by: size) }
    }
  }

  @Test func endlessHeadsAreRefused() {
    let line = "X-A: " + String(repeating: "a", count: 1000) + "\r\n"
    let text = "HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 100)
    #expect(throws: HTTPProblem.network("the head of the reply is endless")) { try parse(text) }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    let zeros = String(repeating: "0", count: 5000)
    #expect(throws: HTTPProblem.network("a line is endless")) { try parse(chunked + zeros) }
  }

  /// Whatever comes, there is a reply or a problem, never more than the limit.
  @Test func randomBytesDoNoHarm() {
    var generator = Philox(seed: 11)
    let words = [
      "HTTP/1.1 ", "200", " OK", "\r\n", "\r\n\r\n", "Content-Length: ", "3", "Transfer-Encoding: ",
      "chunked", "0", "ff", ";", "\n", "\u{0}", ":", "é", "100",
    ]
    for _ in 0..<3000 {
      let count = generator.integer(below: 12)
      var text = generator.integer(below: 2) == 0 ? "HTTP/1.1 200 OK\r\n" : ""
      for _ in 0..<count { text += words[generator.integer(below: words.count)] }
      let size = 1 + generator.integer(below: 9)
      if let reply = try? parse(text, limit: 16, by: size) { #expect(reply.body.count <= 16) }
    }
  }
}
