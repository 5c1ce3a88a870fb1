import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles

/// A chat server on the loopback interface whose model sees: asked for the square of a colour, it
/// answers the middle of the pixels that have it; asked for anything else, the middle of what is black.
final class SeeingServer: Sendable {
  private static let colors = [
    "red": RGBColor(214, 48, 49), "green": RGBColor(39, 174, 96), "blue": RGBColor(41, 98, 214),
    "yellow": RGBColor(241, 196, 15), "black": RGBColor(30, 30, 30),
  ]

  private let listener: Int32
  private let port: UInt16

  /// A server on a port of its own; each connection is one request, on a thread of its own.
  init() throws {
    #if canImport(Darwin)
      listener = socket(AF_INET, SOCK_STREAM, 0)
    #else
      listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(descriptor, address, length) == 0 && listen(descriptor, 16) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    guard listener >= 0, isBound else { throw POSIXError(.EADDRNOTAVAIL) }
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread {
      while case let client = accept(descriptor, nil, nil), client >= 0 {
        Thread.detachNewThread {
          Self.serve(FileHandle(fileDescriptor: client, closeOnDealloc: true))
        }
      }
    }
  }

  /// The base URL of the chat endpoint.
  var address: String { "http://127.0.0.1:\(port)/v1" }

  private static func serve(_ client: FileHandle) {
    let border = Data("\r\n\r\n".utf8)
    var (bytes, end) = (Data(), Range<Data.Index>?.none)
    while end == nil {
      let next = client.availableData
      guard !next.isEmpty else { return }
      bytes += next
      end = bytes.range(of: border)
    }
    guard let end else { return }
    let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).lowercased()
    let length = head.split(separator: "content-length: ").last?.prefix { $0.isNumber }
    let count = length.flatMap { Int($0) } ?? 0
    var body = bytes[end.upperBound...]
    while body.count < count {
      let next = client.availableData
      guard !next.isEmpty else { return }
      body += next
    }
    let reply = (try? answer(to: JSONValue.parse(Array(body))))?.serialized() ?? "{}"
    let start =
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(reply.utf8.count)\r\n\r\n"
    try? client.write(contentsOf: Data((start + reply).utf8))
  }

  private static func answer(to request: JSONValue) throws -> JSONValue {
    let messages = request["messages"]?.arrayValue ?? []
    let parts = messages.flatMap { $0["content"]?.arrayValue ?? [] }
    let text = parts.compactMap { $0["text"]?.stringValue }.joined()
    let pictures = parts.compactMap { $0["image_url"]?["url"]?.stringValue }
    let data = pictures.first.flatMap { url in
      Data(base64Encoded: String(url.drop { $0 != "," }.dropFirst()))
    }
    let image = RGBImage(try DecodedImage(bytes: Array(data ?? Data())))
    let color = colors.first { text.contains("the \($0.key) square") }?.value
    let place = (color ?? colors["black"]).flatMap { middle(of: $0, in: image) }
    let point = place.map { "[\(Int($0.x)), \($0.y)]" } ?? "nowhere"
    let call =
      "{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": "
    let choices = (0..<(request["n"]?.intValue ?? 1)).map { index -> JSONValue in
      let content = "<tool_call>\n\(call)\(point)}}\n</tool_call>"
      return [
        "index": .integer(Int64(index)), "finish_reason": "stop",
        "message": ["role": "assistant", "content": .string(content)],
      ]
    }
    return [
      "choices": .array(choices), "usage": ["prompt_tokens": 100, "completion_tokens": 10],
    ]
  }

  private static func middle(of color: RGBColor, in image: RGBImage) -> (x: Double, y: Int)? {
    var (x, y, count) = (0.0, 0.0, 0.0)
    for row in stride(from: 0, to: image.size.height, by: 2) {
      for column in stride(from: 0, to: image.size.width, by: 2)
      where image[x: column, y: row] == color {
        (x, y, count) = (x + Double(column), y + Double(row), count + 1)
      }
    }
    return count > 0 ? (x / count, Int(y / count)) : nil
  }
}
