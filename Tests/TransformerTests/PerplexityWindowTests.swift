import Testing

@testable import Transformer

@Suite struct PerplexityWindowTests {
  func cut(
    _ count: Int,
    room: Int,
    step: Int,
    lead: Bool = false,
    complete: Bool = false
  )
    -> [PerplexityWindow]
  {
    PerplexityWindow.cut(
      tokenCount: count,
      room: room,
      step: step,
      hasLeadingToken: lead,
      completeOnly: complete
    )
  }

  @Test func windowsWithoutOverlapLoseTheirFirstToken() {
    // 10 tokens in windows of 4: 3 + 3 + 1 predicted.
    #expect(
      cut(10, room: 4, step: 4) == [
        PerplexityWindow(tokens: 0..<4, predicted: 3),
        PerplexityWindow(tokens: 4..<8, predicted: 3),
        PerplexityWindow(tokens: 8..<10, predicted: 1),
      ]
    )
  }

  @Test func overlapPredictsEveryTokenButTheFirstOnce() {
    for count in 2...40 {
      for room in 2...9 {
        for step in 1..<room {
          let windows = cut(count, room: room, step: step)
          #expect(windows.reduce(0) { $0 + $1.predicted } == count - 1)
          for window in windows.dropFirst() {
            // At least room − step tokens of context, except where the text ends.
            #expect(window.tokens.count - window.predicted >= min(room - step, 1))
          }
        }
      }
    }
  }

  @Test func leadingTokenPredictsAll() {
    let windows = cut(10, room: 4, step: 4, lead: true)
    #expect(windows.reduce(0) { $0 + $1.predicted } == 10)
  }

  @Test func completeWindowsOnly() {
    #expect(cut(10, room: 4, step: 4, complete: true).map(\.tokens) == [0..<4, 4..<8])
    #expect(cut(3, room: 4, step: 4, complete: true).isEmpty)
  }

  @Test func aSingleTokenPredictsNothing() {
    #expect(cut(1, room: 4, step: 4).isEmpty)
    #expect(cut(0, room: 4, step: 4).isEmpty)
  }
}
