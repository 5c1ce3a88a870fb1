/// The pieces of text that tokens become: text that is certain, up to a stop text.
struct TextPieces {
  private var decoder: TokenStreamDecoder
  private var stops: StopTexts

  /// The pieces of a text that has not begun.
  init(_ tokenizer: Tokenizer, stopTexts: [String]) {
    decoder = tokenizer.makeStreamDecoder()
    stops = StopTexts(stopTexts)
  }

  /// Whether a stop text has appeared.
  var isStopped: Bool { stops.isStopped }

  /// Takes the next token and returns the text that is certain by now, often none.
  mutating func append(_ token: Int32) -> String { stops.append(decoder.append(token)) }

  /// Ends the text and returns what was held back.
  mutating func finish() -> String { stops.append(decoder.finish()) + stops.finish() }
}
