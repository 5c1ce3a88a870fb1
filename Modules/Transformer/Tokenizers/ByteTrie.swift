/// A trie over byte strings, each with an id.
///
/// Finds added tokens in a text, the longest WordPiece at a position, and the prefixes that the
/// Unigram lattice needs. The first byte goes through a table of 256 entries, which rejects nearly
/// every position of ordinary text; later bytes go through one hash table of all edges.
struct ByteTrie: Sendable {
  /// The child of the root for each first byte; 0 when there is none.
  private var first = [UInt32](repeating: 0, count: 256)
  private var edges: PairTable
  /// The id that ends at each node, −1 for none; node 0 is the root.
  private var ids: [Int32] = [-1]

  init(minimumCapacity: Int = 16) {
    edges = PairTable(minimumCapacity: minimumCapacity)
  }

  /// The node at which every search starts.
  static let root: UInt32 = 0

  var isEmpty: Bool { ids.count == 1 }

  /// Adds a byte string; the last id given for one string counts.
  mutating func insert(_ bytes: some Sequence<UInt8>, id: Int32) {
    var node = ByteTrie.root
    for byte in bytes {
      if let next = child(of: node, byte: byte) {
        node = next
        continue
      }
      let created = UInt32(ids.count)
      ids.append(-1)
      if node == ByteTrie.root {
        first[Int(byte)] = created
      } else {
        edges.set(node, UInt32(byte), to: PairTable.Value(first: created, second: 0))
      }
      node = created
    }
    if node != ByteTrie.root { ids[Int(node)] = id }
  }

  /// The node reached from `node` by `byte`.
  @inline(__always)
  func child(of node: UInt32, byte: UInt8) -> UInt32? {
    if node == ByteTrie.root {
      let child = first[Int(byte)]
      return child == 0 ? nil : child
    }
    return edges.value(node, UInt32(byte))?.first
  }

  /// The node reached from the root by `bytes`.
  func node(for bytes: some Sequence<UInt8>) -> UInt32? {
    var node = ByteTrie.root
    for byte in bytes {
      guard let next = child(of: node, byte: byte) else { return nil }
      node = next
    }
    return node
  }

  /// The id that ends at `node`.
  @inline(__always)
  func id(at node: UInt32) -> Int32? {
    let id = ids[Int(node)]
    return id < 0 ? nil : id
  }

  /// The longest entry that `accepts` at `index` of the text, starting at `node`.
  @inline(__always)
  func longestMatch(
    in text: UTF8Text,
    at index: Int,
    end: Int,
    from node: UInt32 = ByteTrie.root,
    where accepts: (Int32) -> Bool = { _ in true }
  ) -> (id: Int32, end: Int)? {
    var best: (id: Int32, end: Int)?
    var position = index
    var node = node
    while position < end, let next = child(of: node, byte: text[position]) {
      node = next
      position += 1
      if let id = id(at: node), accepts(id) { best = (id, position) }
    }
    return best
  }
}
