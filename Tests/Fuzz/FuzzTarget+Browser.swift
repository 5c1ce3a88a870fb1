import Checkpoints
import Foundation
import GUIGrounding

@testable import GUIGroundingRender

extension FuzzTarget {
  static let browser = [devTools, pageExtract, renderJournal]

  /// What a browser says over its pipe, to somebody who waits for an answer.
  private static let devTools = FuzzTarget(
    name: "devtools",
    words: [
      "{\"id\":1,\"result\":{}}\u{0}", "\"error\":{\"message\":\"m\"}", "\"sessionId\":\"s\"",
      "{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"s\"}\u{0}", "\u{0}", "\"params\":",
      "\"Page.javascriptDialogOpening\"", "\"beforeunload\"", "9223372036854775807",
    ],
    seeds: {
      let text =
        "{\"method\":\"Page.loadEventFired\",\"sessionId\":\"s\",\"params\":{}}\u{0}"
        + "{\"method\":\"Page.javascriptDialogOpening\",\"params\":{\"type\":\"alert\"}}\u{0}"
        + "{\"id\":1,\"result\":{\"data\":\"x\"}}\u{0}{\"id\":2,\"error\":{\"message\":\"no\"}}\u{0}"
      return [Array(text.utf8)]
    }
  ) { bytes in
    var ends: [Int32] = [-1, -1]
    #if canImport(Darwin)
      let kind = SOCK_STREAM
    #else
      let kind = Int32(SOCK_STREAM.rawValue)
    #endif
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { stop("no pair of sockets") }
    let (own, other) = (ends[0], ends[1])
    let connection = DevToolsConnection(socket: own) { "log" }
    waiting {
      async let answer = try? connection.call("A.a", session: "s")
      async let second = try? connection.call("B.b")
      // The commands are read before anything is said; then the end comes.
      var sink = [UInt8](repeating: 0, count: 4096)
      _ = recv(other, &sink, sink.count, 0)
      _ = send(other, bytes, bytes.count, 0)
      close(other)
      _ = await (answer, second)
    }
  }

  /// What the script in a page returns.
  private static let pageExtract = FuzzTarget(
    name: "page-extract",
    words: [
      "\"width\":", "\"height\":", "\"elements\":", "\"kind\":", "\"name\":", "\"bbox\":",
      "\"boxes\":",
      "\"drawn\":", "\"skipped\":", "\"others\":", "\"scrollY\":", "1e308", "9223372036854775807",
    ],
    seeds: {
      let text = #"""
        {"width":800,"height":600,"scrollY":0,"title":"t","path":"p","frames":0,"skipped":{"small":2},
        "others":[["link","a"]],"elements":[{"kind":"link","name":"a","bbox":[1,2,3,4],
        "boxes":[[1,2,3,4]],"source":"text","drawn":true,"region":"main"}]}
        """#
      return [Array(text.utf8)]
    }
  ) { bytes in
    let extract = try PageExtract(.string(String(decoding: bytes, as: UTF8.self)))
    for element in extract.elements {
      _ = element.dataType
      demand(element.bounds.isValid, "bounds that are none")
    }
  }

  private static let renderJournal = FuzzTarget(
    name: "render-journal",
    words: [
      "\"set\":", "\"page\":", "\"shots\":", "\"image\":", "\"rows\":", "\"rejected\":",
      "\"names\":",
      "\"failure\":", "\"detail\":", "\"sparse\":", "\n",
    ],
    seeds: {
      let record = PageRecord(
        setName: "s",
        page: "p",
        shots: [
          ShotRecord(
            image: "i.png",
            rows: [["id": "a"]],
            foundCount: 2,
            ambiguousCount: 0,
            movedCount: 1,
            rejected: ["small": 1],
            nameSources: ["text": 1]
          )
        ],
        sparseShots: 0
      )
      let line = record.json.serializedBytes() + [0x0A]
      return [line + line]
    }
  ) { bytes in
    let journal = try RenderJournal(path: Scratch.file("fuzz.jsonl", bytes))
    var records: [PageRecord] = []
    try journal.forEach { records.append($0) }
    demand(records.count == journal.entries.count, "entries without a record")
    if let record = records.last { try journal.append(record) }
  }
}

/// Runs asynchronous work and waits for it.
func waiting(_ body: @escaping @Sendable () async -> Void) {
  let done = DispatchSemaphore(value: 0)
  Task.detached {
    await body()
    done.signal()
  }
  done.wait()
}
