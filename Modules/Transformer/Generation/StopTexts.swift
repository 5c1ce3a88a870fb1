/// Lets a text through until one of some stop texts appears in it.
///
/// What may be the beginning of a stop text is held back until the text goes on another way.
struct StopTexts {
  private let stops: [[UInt8]]
  private var held: [UInt8] = []
  /// Whether a stop text has appeared; nothing passes after it.
  private(set) var isStopped = false

  /// A filter at the start of a text; empty stop texts are left out.
  init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

  /// Takes the next piece and returns what is certain to stand before any stop text.
  mutating func append(_ piece: String) -> String {
    guard !stops.isEmpty else { return piece }
    guard !isStopped else { return "" }
    held += piece.utf8
    var passed = 0
    while passed < held.count {
      let rest = held[passed...]
      if stops.contains(where: { rest.starts(with: $0) }) {
        isStopped = true
        break
      }
      if stops.contains(where: { $0.count > rest.count && $0.starts(with: rest) }) { break }
      passed += 1
    }
    defer { held = isStopped ? [] : Array(held[passed...]) }
    return String(decoding: held[..<passed], as: UTF8.self)
  }

  /// Ends the text and returns what was held back.
  mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
