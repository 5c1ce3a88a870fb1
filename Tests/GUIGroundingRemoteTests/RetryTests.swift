import Tensor
import Testing

@testable import GUIGroundingRemote

@Suite struct RetryTests {
  /// The three forms of RFC 9110 name the same second, whose number is the RFC's example's.
  @Test(arguments: [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
  ])
  func dates(_ text: String) { #expect(HTTPDate.seconds(text) == 784_111_777) }

  @Test func datesOfOtherYears() {
    #expect(HTTPDate.seconds("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
    #expect(HTTPDate.seconds("Tue, 29 Feb 2000 12:00:00 GMT") == 951_825_600)
    #expect(HTTPDate.seconds("Fri, 31 Dec 2100 23:59:59 GMT") == 4_133_980_799)
  }

  @Test(arguments: [
    "", "soon", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 25:00:00 GMT", ",,,,",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT", "06 Nov 1994 08:49:37", "Sun, 06 Nov x 08:49:37 GMT",
    "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
  ])
  func otherTexts(_ text: String) { #expect(HTTPDate.seconds(text) == nil) }

  @Test func retryAfterInSecondsOrAsADate() {
    func seconds(_ text: String, date: String? = nil) -> Double? {
      var headers = ["retry-after": text]
      headers["date"] = date
      return RetrySettings.retryAfter(headers, now: 784_111_770)
    }
    #expect(seconds("12") == 12 && seconds(" 1.5") == 1.5 && seconds("-3") == 0)
    #expect(seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 7)
    #expect(seconds("Sun, 06 Nov 1994 08:49:37 GMT", date: "Sun, 06 Nov 1994 08:49:07 GMT") == 30)
    #expect(seconds("Sun, 06 Nov 1984 08:49:37 GMT") == 0)
    #expect(seconds("soon") == nil && seconds("inf") == nil && seconds("") == nil)
    #expect(RetrySettings.retryAfter([:], now: 0) == nil)
  }

  @Test func pausesDoubleUpToTheLongest() {
    let settings = RetrySettings()
    var generator = Philox(seed: 1)
    for attempt in 0..<100 {
      let full = min(30, 0.5 * Double(UInt64(1) << UInt64(min(attempt, 20))))
      let pause = settings.pause(after: attempt, retryAfter: nil, using: &generator)
      #expect(pause >= full / 2 && pause <= full)
    }
    #expect(settings.pause(after: 0, retryAfter: 59, using: &generator) == 59)
    #expect(settings.pause(after: 0, retryAfter: 61, using: &generator) == 60)
  }

  @Test func theGateLetsSoManyThroughInTheirOrder() async throws {
    let gate = RequestGate(width: 1)
    let (order, note) = AsyncStream<Int>.makeStream()
    let (inside, enter) = AsyncStream<Void>.makeStream()
    let (leave, go) = AsyncStream<Void>.makeStream()
    let first = Task {
      try await gate.pass {
        enter.yield()
        for await _ in leave { break }
        _ = note.yield(0)
      }
    }
    for await _ in inside { break }
    let second = Task { try await gate.pass { _ = note.yield(1) } }
    go.yield()
    try await first.value
    try await second.value
    note.finish()
    var seen: [Int] = []
    for await number in order { seen.append(number) }
    #expect(seen == [0, 1])
  }
}
