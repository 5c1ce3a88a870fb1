/// WordPiece: the longest token at the start of a word, then the longest `##` token, and so forth.
///
/// A word that cannot be covered, or that is too long, is one unknown token.
///
/// - Source: BERT's reference tokenizer; Hugging Face `WordPiece`.
/// - Complexity: O(n · length of the longest token).
struct WordPieceModel: Sendable {
  private let trie: ByteTrie
  /// Where the search for the rest of a word starts: below the prefix `##`.
  private let continuation: UInt32?
  private let unknownID: Int32
  private let longestWord: Int

  /// A model whose continuing tokens start with `prefix`; words of more than `longestWord` scalars
  /// are unknown.
  init(table: TokenTable, prefix: String, unknownID: Int32, longestWord: Int) {
    var trie = ByteTrie(minimumCapacity: table.count * 2)
    for id in 0..<Int32(table.count) {
      if let token = table.token(id) { trie.insert(token, id: id) }
    }
    self.trie = trie
    continuation = trie.node(for: prefix.utf8)
    self.unknownID = unknownID
    self.longestWord = longestWord
  }

  /// Appends the ids of the word `text[start..<end]`.
  func encode(_ text: UTF8Text, _ start: Int, _ end: Int, into output: inout [Int32]) {
    let first = output.count
    var position = start
    var node: UInt32? = ByteTrie.root
    if isTooLong(text, start, end) { node = nil }
    while position < end {
      guard let from = node,
        let match = trie.longestMatch(in: text, at: position, end: end, from: from)
      else {
        output.removeSubrange(first...)
        output.append(unknownID)
        return
      }
      output.append(match.id)
      position = match.end
      node = continuation
    }
  }

  private func isTooLong(_ text: UTF8Text, _ start: Int, _ end: Int) -> Bool {
    guard end - start > longestWord else { return false }
    var scalars = 0
    for index in start..<end where text[index] & 0xC0 != 0x80 { scalars += 1 }
    return scalars > longestWord
  }
}
