import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import Synchronization

/// The body of a request, read no further than is allowed.
final class BodyReader: Sendable {
  /// The client has gone before the end of its body.
  struct BrokenOff: Error {}

  private let request: Request
  private let isRead = Mutex(false)

  init(_ request: Request) { self.request = request }

  /// Whether there is a body of which something may be left.
  var isUnread: Bool {
    let headers = request.headers
    let hasBody = headers[.contentLength].map { $0 != "0" } ?? (headers[.transferEncoding] != nil)
    return hasBody && !isRead.withLock { $0 }
  }

  /// All of it.
  ///
  /// - Throws: `APIError` for one that is malformed, and for one that is too large, before it is read
  ///   where its length says so; `BrokenOff`.
  func read() async throws -> [UInt8] {
    let limit = ServingSettings.bodyLimit
    let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
    guard announced <= limit else { throw APIError.tooLarge(limit: limit) }
    var body: [UInt8] = []
    do {
      for try await buffer in request.body {
        guard body.count + buffer.readableBytes <= limit else {
          throw APIError.tooLarge(limit: limit)
        }
        body.append(contentsOf: buffer.readableBytesView)
      }
    } catch let error as APIError {
      throw error
    } catch let error as HTTPParserError where error != .invalidEOFState {
      throw APIError.malformed("\(error)")
    } catch { throw Task.isCancelled ? CancellationError() : BrokenOff() }
    isRead.withLock { $0 = true }
    return body
  }

  /// Lets a client that is still sending come to its end, for so many bytes: it reads the answer then.
  func discard(limit: Int) async throws {
    var left = limit
    for try await buffer in request.body {
      left -= buffer.readableBytes
      guard left > 0 else { return }
    }
  }
}
