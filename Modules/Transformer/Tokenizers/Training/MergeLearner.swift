/// Learns merges one at a time: the most frequent pair becomes a token, and the frequencies around
/// it are corrected.
///
///     words      the distinct pieces as symbols, merged in place
///     pairs      (left, right) → a number; `frequencies` by that number
///     wordLists  the words in which pairs were found, one stretch for each time that a pair came up
///     queue      pairs by frequency; one that has become rarer is put back when it comes out
///
/// - Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
///   Units", 2016, algorithm 1; the order of equal pairs and the corrections are those of the Hugging
///   Face tokenizers library. A pair that is learned keeps its frequency, and where a merge spells a
///   token that exists already (a special one, or the same text from other parts), the pairs around
///   it enter the queue once more: the library has it so, and ids depend on it.
/// - Deviation: frequencies have 64 bits, the library's 32; a token is never longer than the readers
///   accept, `TokenizerLimits.tokenBytes`.
/// - Complexity: O(s log p + c) for s steps, p pairs and c symbols that stand beside a merge, which
///   are at most twice the symbols of the distinct pieces.
struct MergeLearner {
  private(set) var vocabulary: LearnedTokens
  private var words: SymbolWords
  private var pairs = PairTable(minimumCapacity: 1 << 14)
  private var frequencies: [Int] = []
  private var wordLists: [UInt32] = []
  private var queue = MergeQueue()
  private var before: NeighbourChanges
  private var after: NeighbourChanges
  private let options: BytePairOptions

  /// A learner of what a counter has found.
  init(_ counter: PieceCounter, _ options: BytePairOptions) {
    self.options = options
    vocabulary = LearnedTokens(options)
    words = SymbolWords(counter, symbolOfByte: vocabulary.symbolOfByte)
    before = NeighbourChanges(symbolCount: options.vocabularyCount)
    after = NeighbourChanges(symbolCount: options.vocabularyCount)
    countPairs()
  }

  /// Merges the next pair; false when there is none that is frequent enough.
  mutating func step() -> Bool {
    while let top = queue.first {
      let frequency = frequencies[Int(top.index)]
      guard top.frequency == frequency else {
        queue.lowerFirst(to: frequency)
        continue
      }
      guard frequency > 0, frequency >= options.minimumFrequency else { return false }
      queue.removeFirst()
      merge(top)
      return true
    }
    return false
  }

  private mutating func merge(_ candidate: MergeQueue.Candidate) {
    let left = UInt32(truncatingIfNeeded: candidate.pair >> 32)
    let right = UInt32(truncatingIfNeeded: candidate.pair)
    let merged = vocabulary.merge(left, right)
    for place in candidate.words {
      words.merge(
        Int(wordLists[place]),
        (left, right),
        into: merged,
        before: &before,
        after: &after
      )
    }
    correct(left, right, merged)
  }

  // MARK: - Frequencies

  /// Counts the pairs of bytes and puts them into the queue.
  private mutating func countPairs() {
    var (pairOrder, wordCounts): ([UInt64], [Int]) = ([], [])
    forEachPairOnce { pair, index, isNew in
      if isNew {
        pairOrder.append(pair)
        wordCounts.append(0)
      }
      wordCounts[index] += 1
    }
    var starts: [Int] = []
    var end = 0
    for count in wordCounts {
      starts.append(end)
      end += count
    }
    wordLists = [UInt32](repeating: 0, count: end)
    var cursors = starts
    var lastWords = [UInt32](repeating: 0, count: starts.count)
    for word in 0..<words.count {
      let mark = UInt32(truncatingIfNeeded: word + 1)
      for place in words.range(word).dropLast() {
        let pair = Self.pair(words.symbols[place], words.symbols[place + 1])
        guard let index = number(of: pair), lastWords[index] != mark else { continue }
        lastWords[index] = mark
        wordLists[cursors[index]] = mark - 1
        cursors[index] += 1
      }
    }
    for (index, pair) in pairOrder.enumerated() {
      queue.push(
        MergeQueue.Candidate(
          frequency: frequencies[index],
          pair: pair,
          index: Int32(truncatingIfNeeded: index),
          words: starts[index]..<cursors[index]
        )
      )
    }
  }

  /// Adds up the frequencies of all pairs, and calls `body` with each pair once for each word.
  private mutating func forEachPairOnce(_ body: (UInt64, Int, _ isNew: Bool) -> Void) {
    var lastWords: [Int] = []
    for word in 0..<words.count {
      for place in words.range(word).dropLast() {
        let pair = Self.pair(words.symbols[place], words.symbols[place + 1])
        let index = add(words.frequencies[word], to: pair)
        let isNew = index == lastWords.count
        if isNew { lastWords.append(-1) }
        guard lastWords[index] != word else { continue }
        lastWords[index] = word
        body(pair, index, isNew)
      }
    }
  }

  /// Corrects the frequencies around a merge, and puts the pairs that it made into the queue.
  private mutating func correct(_ left: UInt32, _ right: UInt32, _ merged: UInt32) {
    // All sums come before all differences: one pair may be in both.
    let newBefore = before.symbols.map { symbol -> Int32 in
      guard canMerge(symbol, merged) else { return -1 }
      return Int32(add(before.frequencies[Int(symbol)], to: Self.pair(symbol, merged)))
    }
    let newAfter = after.symbols.map { symbol -> Int32 in
      guard canMerge(merged, symbol) else { return -1 }
      return Int32(add(after.frequencies[Int(symbol)], to: Self.pair(merged, symbol)))
    }
    for symbol in before.symbols {
      subtract(before.frequencies[Int(symbol)], from: Self.pair(symbol, left))
    }
    for symbol in after.symbols {
      subtract(after.frequencies[Int(symbol)], from: Self.pair(right, symbol))
    }
    enqueue(newBefore, newAfter, merged)
    before.removeAll()
    after.removeAll()
  }

  private mutating func enqueue(_ newBefore: [Int32], _ newAfter: [Int32], _ merged: UInt32) {
    var end = wordLists.count
    for (symbol, index) in zip(before.symbols, newBefore)
    where index >= 0 && frequencies[Int(index)] > 0 {
      let start = end
      before.setStart(of: symbol, to: end)
      end += before.wordCounts[Int(symbol)]
      if symbol == merged {
        // The merged token beside itself: both sides speak of the same pair.
        after.setStart(of: symbol, to: end)
        end += after.wordCounts[Int(symbol)]
      }
      push(Self.pair(symbol, merged), index, start..<end)
    }
    let isDouble = before.wordCounts[Int(merged)] > 0
    for (symbol, index) in zip(after.symbols, newAfter)
    where index >= 0 && frequencies[Int(index)] > 0 && !(symbol == merged && isDouble) {
      let start = end
      after.setStart(of: symbol, to: end)
      end += after.wordCounts[Int(symbol)]
      push(Self.pair(merged, symbol), index, start..<end)
    }
    wordLists.append(contentsOf: repeatElement(0, count: end - wordLists.count))
    before.writeWords(to: &wordLists)
    after.writeWords(to: &wordLists)
  }

  private mutating func push(_ pair: UInt64, _ index: Int32, _ words: Range<Int>) {
    queue.push(
      MergeQueue.Candidate(
        frequency: frequencies[Int(index)],
        pair: pair,
        index: index,
        words: words
      )
    )
  }

  /// Whether the token of a pair would be short enough.
  private func canMerge(_ left: UInt32, _ right: UInt32) -> Bool {
    vocabulary.byteCount(left, right) < options.maximumTokenLength ?? .max
      && vocabulary.spellingLength(left, right) <= TokenizerLimits.tokenBytes
  }

  // MARK: - The table of pairs

  @inline(__always)
  private static func pair(_ left: UInt32, _ right: UInt32) -> UInt64 {
    UInt64(left) << 32 | UInt64(right)
  }

  @inline(__always)
  private func number(of pair: UInt64) -> Int? {
    pairs.value(UInt32(pair >> 32), UInt32(truncatingIfNeeded: pair)).map { Int($0.first) }
  }

  @inline(__always)
  private mutating func add(_ frequency: Int, to pair: UInt64) -> Int {
    if let index = number(of: pair) {
      frequencies[index] += frequency
      return index
    }
    let index = frequencies.count
    frequencies.append(frequency)
    pairs.set(
      UInt32(pair >> 32),
      UInt32(truncatingIfNeeded: pair),
      to: PairTable.Value(first: UInt32(truncatingIfNeeded: index), second: 0)
    )
    return index
  }

  /// Pairs that are not in the table are too long ever to be merged.
  @inline(__always)
  private mutating func subtract(_ frequency: Int, from pair: UInt64) {
    if let index = number(of: pair) { frequencies[index] -= frequency }
  }
}
