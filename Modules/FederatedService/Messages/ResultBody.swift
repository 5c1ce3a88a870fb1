// The body of a result: one line of JSON, a line feed, and the bytes of the packed update.

extension ResultMessage {
  /// The longest line.
  static let longestLine = 1024

  /// The body that carries this message and an update.
  func body(with update: [UInt8]) -> [UInt8] { ServiceJSON.encoded(self) + [0x0A] + update }

  /// The message and the update of a body.
  static func parsed(
    _ body: [UInt8]
  ) throws(ServiceRefusal) -> (message: ResultMessage, update: [UInt8]) {
    guard let end = body.prefix(longestLine + 1).firstIndex(of: 0x0A) else {
      throw .malformed("a result begins with a line of JSON of at most \(longestLine) bytes")
    }
    let message = try ServiceJSON.decoded(body[..<end], as: ResultMessage.self)
    return (message, Array(body[(end + 1)...]))
  }
}
