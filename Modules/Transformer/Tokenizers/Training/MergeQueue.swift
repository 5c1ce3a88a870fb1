/// The pairs that may be merged next: the most frequent first, the smaller pair of ids among equals.
///
/// A heap of four children a node that is never searched. Frequencies fall while a pair waits: the
/// learner notices when the pair comes out, and puts it back.
struct MergeQueue {
  /// A pair with the words in which it was found.
  struct Candidate {
    /// The frequency when the pair was put in.
    var frequency: Int
    /// The left id in the upper half, the right one in the lower.
    var pair: UInt64
    /// The number of the pair in the learner's table.
    var index: Int32
    /// Where the words lie in the learner's list.
    var words: Range<Int>

    @inline(__always)
    func comesBefore(_ other: Candidate) -> Bool {
      frequency != other.frequency ? frequency > other.frequency : pair < other.pair
    }
  }

  private var items: [Candidate] = []

  /// The first pair.
  var first: Candidate? { items.first }

  /// Adds a pair.
  mutating func push(_ candidate: Candidate) {
    items.append(candidate)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 4
      guard candidate.comesBefore(items[parent]) else { break }
      items[child] = items[parent]
      child = parent
    }
    items[child] = candidate
  }

  /// Removes the first pair.
  mutating func removeFirst() {
    guard let last = items.popLast(), !items.isEmpty else { return }
    sink(last)
  }

  /// Gives the first pair, whose frequency has fallen, its new place.
  mutating func lowerFirst(to frequency: Int) {
    guard var top = items.first else { return }
    top.frequency = frequency
    sink(top)
  }

  /// Puts a pair in the place of the first one, and from there down to where it belongs.
  private mutating func sink(_ candidate: Candidate) {
    var parent = 0
    while true {
      let firstChild = parent * 4 + 1
      guard firstChild < items.count else { break }
      var best = firstChild
      for child in firstChild + 1..<max(min(firstChild + 4, items.count), firstChild + 1)
      where items[child].comesBefore(items[best]) {
        best = child
      }
      guard items[best].comesBefore(candidate) else { break }
      items[parent] = items[best]
      parent = best
    }
    items[parent] = candidate
  }
}
