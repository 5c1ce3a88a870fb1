import Checkpoints
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore

/// A request for texts whose prompts are with the model, and the answer to it.
///
/// The events end early where the client hangs up and where the model is taken away.
struct CompletionExchange: Sendable {
  let reply: CompletionReply
  let events: AsyncStream<Job.Event>
  let connection: Connection
  /// Told the status and what was done.
  let note: @Sendable (Int, String) -> Void

  /// The answer when all texts are written.
  func whole() async throws(APIError) -> Response {
    var reply = reply
    for await event in events {
      reply.append(event)
      if reply.isComplete { break }
    }
    connection.forgetWatchers()
    guard reply.isComplete else { throw failure }
    note(200, Self.summary(reply))
    return APIResponder.response(reply.document)
  }

  /// The answer as it comes, in events.
  func streamed() -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store"],
      body: ResponseBody { writer in
        do {
          try await write(to: &writer)
          try await writer.finish(nil)
        } catch {
          note(APIError.hungUp.status, APIError.hungUp.message)
          throw error
        }
      }
    )
  }

  private func write(to writer: inout any ResponseBodyWriter) async throws {
    var reply = reply
    defer { connection.forgetWatchers() }
    for await event in events {
      for document in reply.events(for: event) { try await writer.write(Self.event(document)) }
      if reply.isComplete { break }
    }
    guard reply.isComplete else {
      let failure = failure
      note(failure.status, failure.message)
      return try await writer.write(Self.event(failure.document))
    }
    if let usage = reply.usageEvent { try await writer.write(Self.event(usage)) }
    try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
    note(200, Self.summary(reply))
  }

  /// Why the texts have no end.
  private var failure: APIError {
    connection.hasGone
      ? .hungUp : .failed("the model was unloaded, or the server is being stopped")
  }

  private static func event(_ document: JSONValue) -> ByteBuffer {
    ByteBuffer(string: "data: \(document.serialized())\n\n")
  }

  private static func summary(_ reply: CompletionReply) -> String {
    let (prompt, written) = reply.tokenCounts
    return "read \(prompt), wrote \(written)"
  }
}
