/// The distinct pieces of a text as symbols that are merged in place.
struct SymbolWords {
  /// The symbols of all words, one word after the other; a word that shrinks leaves a gap.
  private(set) var symbols: [UInt32] = []
  /// Where each word begins, and the end.
  private var starts: [Int] = [0]
  /// The symbols that each word has now.
  private var counts: [Int32] = []
  /// How often each word occurs.
  private(set) var frequencies: [Int] = []

  /// The pieces of a counter, a symbol for each byte.
  init(_ counter: PieceCounter, symbolOfByte: [UInt32]) {
    symbols.reserveCapacity(counter.bytes.count)
    for piece in counter.pieces where piece.count > 1 {
      for index in piece.start..<piece.start + piece.count {
        symbols.append(symbolOfByte[Int(counter.bytes[index])])
      }
      starts.append(symbols.count)
      counts.append(Int32(truncatingIfNeeded: piece.count))
      frequencies.append(piece.frequency)
    }
  }

  /// The number of words.
  var count: Int { counts.count }

  /// The symbols of a word.
  func range(_ word: Int) -> Range<Int> { starts[word]..<starts[word] + Int(counts[word]) }

  /// Merges a pair in a word from left to right, and notes what stood on either side.
  ///
  /// What stands on the left has been merged already, what stands on the right has not.
  mutating func merge(
    _ word: Int,
    _ pair: (left: UInt32, right: UInt32),
    into merged: UInt32,
    before: inout NeighbourChanges,
    after: inout NeighbourChanges
  ) {
    let range = range(word)
    let frequency = frequencies[word]
    symbols.withUnsafeMutableBufferPointer { symbols in
      var (read, write) = (range.lowerBound, range.lowerBound)
      while read < range.upperBound {
        var symbol = symbols[read]
        read += 1
        if symbol == pair.left, read < range.upperBound, symbols[read] == pair.right {
          read += 1
          symbol = merged
          if write > range.lowerBound {
            before.add(symbols[write - 1], word: word, frequency: frequency)
          }
          if read < range.upperBound {
            after.add(symbols[read], word: word, frequency: frequency)
          }
        }
        symbols[write] = symbol
        write += 1
      }
      counts[word] = Int32(truncatingIfNeeded: write - range.lowerBound)
    }
  }
}
