import Foundation

/// A request as it goes over the wire, and where it goes.
///
/// - Source: RFC 9112, section 3.
struct HTTPRequestBytes: Sendable {
  /// A name, or an address without brackets.
  let host: String
  let port: Int
  /// The request line and the header, up to the empty line.
  let head: [UInt8]
  let body: [UInt8]

  /// A request with a body; the port is that of the scheme where the URL names none.
  init(_ body: [UInt8], to url: URL, headers: [String: String]) {
    // Brackets mark an address of version 6 in a URL only.
    host = (url.host ?? "").trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    let usual = url.scheme?.lowercased() == "https" ? 443 : 80
    port = url.port ?? usual
    let name = host.contains(":") ? "[\(host)]" : host
    let path = url.path.isEmpty ? "/" : url.path(percentEncoded: true)
    var lines = [
      "POST \(path) HTTP/1.1", "Host: \(name)" + (port == usual ? "" : ":\(port)"),
      "User-Agent: apus", "Accept-Encoding: identity", "Connection: close",
      "Content-Length: \(body.count)",
    ]
    lines += headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    self.body = body
  }
}
