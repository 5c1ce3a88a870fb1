import Support
import Transformer

/// A conversation on standard input and output: a line is what the user says.
struct Conversation {
  private let chat: ChatSession
  private let isQuiet: Bool

  init(_ chat: ChatSession, isQuiet: Bool) {
    (self.chat, self.isQuiet) = (chat, isQuiet)
    chat.shouldStop = { Cancellation.isRequested }
  }

  /// Converses until the input ends or the user interrupts.
  func run(show: (String) throws -> Void) throws {
    var input = LineReader()
    let isWatched = StandardStream.error.isTerminal && !isQuiet
    if isWatched { try StandardStream.error.writeLine("Ctrl-D ends the conversation.") }
    while true {
      if isWatched { try StandardStream.error.write("> ") }
      guard let line = try input.next() else { break }
      guard line.contains(where: { !$0.isWhitespace }) else { continue }
      let start = secondsOfUptime()
      let answer: GeneratedText
      do {
        answer = try chat.reply(to: line, show: show)
      } catch let error as GenerationError {
        throw CommandFailure("\(error); begin a new conversation")
      }
      try show("\n")
      try Cancellation.check()
      guard !isQuiet else { continue }
      let rate = Double(answer.tokens.count) / (secondsOfUptime() - start)
      try StandardStream.error.writeLine(
        "(\(answer.tokens.count.counted("token")), \(rate.fixed(1)) tokens/s)"
      )
    }
    if isWatched { try StandardStream.error.writeLine("") }
  }
}
