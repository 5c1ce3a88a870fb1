import Foundation
import TestSupport
import Testing

/// Ctrl-C and its relatives end a run with one sentence and leave nothing behind.
@Suite(.serialized, .timeLimit(.minutes(10))) struct InterruptionTests {
  /// Large enough that a search for ranges takes seconds.
  static let large = TinyModel(
    hiddenWidth: 1024,
    feedForwardWidth: 4096,
    blockCount: 12,
    isSparse: true
  )

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
  func quantizingStopsWithoutATrace(signal: Int32, code: Int32) throws {
    try withTinyModel(Self.large) { model, folder in
      let run = try Invocation(
        ["run", model, "-o", folder + "/small", "--granularity", "channel", "--range", "mse"]
      )
      let hasBegun = run.waits { ((try? names(in: folder)) ?? []).count > 1 }
      #expect(hasBegun, "a temporary folder appears")
      run.send(signal)
      #expect(run.wait() == code)
      #expect(run.output.isEmpty)
      #expect(
        run.error.hasSuffix("apus-quantize: interrupted, nothing was written\n"),
        "\(run.error)"
      )
      #expect(try names(in: folder) == ["tiny"])
    }
  }

  @Test func evaluatingStops() throws {
    try withTinyModel(TinyModel(hiddenWidth: 128)) { model, folder in
      let text = String(repeating: "Once upon a time there was a cat. ", count: 100_000)
      try Data(text.utf8).write(to: URL(filePath: folder + "/text"))
      let run = try Invocation(["eval", model, "--text", folder + "/text"])
      let hasBegun = run.waits { !run.error.isEmpty }
      #expect(hasBegun, "the first line of progress comes")
      run.send(SIGINT)
      #expect(run.wait() == 130)
      #expect(run.output.isEmpty && run.error.hasSuffix("apus-quantize: interrupted\n"))
      #expect(run.error.contains("perplexity"), "an early answer")
    }
  }
}
