/// What merging a pair changes on one of its sides: how often each symbol stood there, and in which
/// words.
struct NeighbourChanges {
  /// The symbols that stood there.
  private(set) var symbols: [UInt32] = []
  /// How often each stood there, by symbol.
  private(set) var frequencies: [Int]
  /// A symbol and a word that has it, each once.
  private(set) var places: [(symbol: UInt32, word: UInt32)] = []
  /// The number of words by symbol.
  private(set) var wordCounts: [Int]
  /// The last word of each symbol and one.
  private var lastWords: [UInt32]
  /// Where the next word of a symbol goes, while words are handed out; −1 for nowhere.
  private var cursors: [Int]

  /// No changes among `symbolCount` symbols.
  init(symbolCount: Int) {
    frequencies = [Int](repeating: 0, count: symbolCount)
    wordCounts = [Int](repeating: 0, count: symbolCount)
    lastWords = [UInt32](repeating: 0, count: symbolCount)
    cursors = [Int](repeating: -1, count: symbolCount)
  }

  /// Notes that a symbol stood there, in a word of this frequency; words come one after the other.
  @inline(__always)
  mutating func add(_ symbol: UInt32, word: Int, frequency: Int) {
    let place = Int(symbol)
    if frequencies[place] == 0 { symbols.append(symbol) }
    frequencies[place] += frequency
    let mark = UInt32(truncatingIfNeeded: word + 1)
    guard lastWords[place] != mark else { return }
    lastWords[place] = mark
    wordCounts[place] += 1
    places.append((symbol, mark - 1))
  }

  /// Says where in the list of words those of a symbol shall begin.
  mutating func setStart(of symbol: UInt32, to index: Int) { cursors[Int(symbol)] = index }

  /// Writes the words of each symbol that was given a start.
  mutating func writeWords(to list: inout [UInt32]) {
    for (symbol, word) in places {
      let cursor = cursors[Int(symbol)]
      guard cursor >= 0 else { continue }
      list[cursor] = word
      cursors[Int(symbol)] = cursor + 1
    }
  }

  /// Forgets everything.
  mutating func removeAll() {
    for symbol in symbols {
      frequencies[Int(symbol)] = 0
      wordCounts[Int(symbol)] = 0
      lastWords[Int(symbol)] = 0
      cursors[Int(symbol)] = -1
    }
    symbols.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
  }
}
