/// The Unigram model: the segmentation of a piece with the highest sum of log-probabilities.
///
///     best(e) = max over tokens t that end at e of  best(e − |t|) + score(t)
///
/// A scalar that is no token by itself may stand as unknown with the lowest score of the vocabulary
/// less 10. Neighbouring unknowns give one id. Scores are added in double precision, and of equal
/// paths the one found first stays, as in the reference.
///
/// - Source: Kudo, "Subword Regularization" (2018), one best path; Hugging Face `Unigram`.
/// - Complexity: O(n · length of the longest token).
struct UnigramModel: Sendable {
  private let table: TokenTable
  private let scores: [Double]
  private let trie: ByteTrie
  private let unknownID: Int32
  private let unknownScore: Double
  /// The id of each byte token, empty when the model has no byte fallback.
  private let fallback: [Int32]

  /// A model with one log-probability an id; `fallback` holds the ids of the 256 byte tokens, or
  /// nothing.
  init(table: TokenTable, scores: [Double], unknownID: Int32, fallback: [Int32]) {
    var trie = ByteTrie(minimumCapacity: table.count * 2)
    for id in 0..<Int32(table.count) {
      if let token = table.token(id) { trie.insert(token, id: id) }
    }
    self.table = table
    self.scores = scores
    self.trie = trie
    self.unknownID = unknownID
    self.fallback = fallback
    unknownScore = (scores.min() ?? 0) - 10
  }

  /// The best way to reach a byte position.
  private struct Node {
    var score = 0.0
    var start: Int32 = -1
    var id: Int32 = -1
  }

  /// Appends the ids of `text[start..<end]`.
  func encode(_ text: UTF8Text, _ start: Int, _ end: Int, into output: inout [Int32]) {
    guard start < end else { return }
    let nodes = lattice(text, start, end)
    var pieces: [(range: Range<Int>, id: Int32)] = []
    var position = end
    while position > start {
      let node = nodes[position - start]
      let from = start + Int(node.start)
      if node.id == unknownID, let last = pieces.last, last.id == unknownID {
        pieces[pieces.count - 1].range = from..<last.range.upperBound
      } else {
        pieces.append((from..<position, node.id))
      }
      position = from
    }
    for (range, id) in pieces.reversed() {
      if id == unknownID { appendUnknown(text, range, &output) } else { output.append(id) }
    }
  }

  private func lattice(_ text: UTF8Text, _ start: Int, _ end: Int) -> [Node] {
    var nodes = [Node](repeating: Node(), count: end - start + 1)
    var position = start
    while position < end {
      let length = text.scalar(at: position, end: end).length
      let before = nodes[position - start].score
      var isCovered = false
      var node = ByteTrie.root
      var next = position
      while next < end, let child = trie.child(of: node, byte: text[next]) {
        node = child
        next += 1
        guard let id = trie.id(at: node) else { continue }
        isCovered = isCovered || next == position + length
        reach(&nodes[next - start], before + scores[Int(id)], from: position - start, id)
      }
      if !isCovered {
        let target = position + length - start
        reach(&nodes[target], before + unknownScore, from: position - start, unknownID)
      }
      position += length
    }
    return nodes
  }

  @inline(__always)
  private func reach(_ node: inout Node, _ score: Double, from start: Int, _ id: Int32) {
    if node.start < 0 || score > node.score {
      node = Node(score: score, start: Int32(truncatingIfNeeded: start), id: id)
    }
  }

  /// A fused unknown stretch: a token after all, its bytes, or the unknown token.
  private func appendUnknown(_ text: UTF8Text, _ range: Range<Int>, _ output: inout [Int32]) {
    if let id = table.id(of: text, from: range.lowerBound, to: range.upperBound) {
      output.append(id)
    } else if !fallback.isEmpty, range.allSatisfy({ fallback[Int(text[$0])] >= 0 }) {
      for index in range { output.append(fallback[Int(text[index])]) }
    } else {
      output.append(unknownID)
    }
  }
}
