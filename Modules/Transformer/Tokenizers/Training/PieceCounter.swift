/// Counts how often each distinct piece of text occurs.
///
/// A hash table with linear probing; the bytes of the pieces lie one after the other. Memory grows
/// with the distinct pieces, whatever the length of the text. The hash is seeded afresh: a text
/// cannot choose pieces that collide.
struct PieceCounter: Sendable {
  /// A distinct piece.
  struct Piece {
    var start: Int
    var count: Int
    var hash: UInt64
    /// How often it occurs.
    var frequency: Int
  }

  /// The pieces in the order of their first occurrence.
  private(set) var pieces: [Piece] = []
  /// The bytes of the pieces.
  private(set) var bytes: [UInt8] = []
  /// The number of a piece and one; 0 marks a free slot.
  private var slots = [UInt32](repeating: 0, count: 1 << 12)
  private let seed: UInt64

  /// An empty counter; those that shall be added up share a seed.
  init(seed: UInt64) { self.seed = seed }

  /// The text is cut into parts of about this size, so that their pieces stay in the cache.
  private static let windowSize = 1 << 16

  /// Counts the pieces of a text.
  mutating func count(_ text: UTF8Text, by preTokenizer: PreTokenizer) {
    text.forEachPart(byteCount: Self.windowSize) { part in
      preTokenizer.pieces(of: part, isFirst: false) { text, pieces in
        for piece in pieces where !piece.isEmpty {
          let bytes = UTF8Text(rebasing: text[piece])
          add(bytes, hash: hash(bytes), frequency: 1)
        }
      }
    }
  }

  /// Adds what another counter with the same seed has found.
  mutating func add(_ other: PieceCounter) {
    other.bytes.withUnsafeBufferPointer { bytes in
      for piece in other.pieces {
        let range = piece.start..<piece.start + piece.count
        add(UTF8Text(rebasing: bytes[range]), hash: piece.hash, frequency: piece.frequency)
      }
    }
  }

  @inline(__always)
  private mutating func add(_ piece: UTF8Text, hash: UInt64, frequency: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if pieces[index].hash == hash, isSame(piece, index) {
        pieces[index].frequency += frequency
        return
      }
      slot = (slot + 1) & mask
    }
    pieces.append(
      Piece(start: bytes.count, count: piece.count, hash: hash, frequency: frequency)
    )
    bytes.append(contentsOf: piece)
    slots[slot] = UInt32(pieces.count)
    if pieces.count * 2 > slots.count { grow() }
  }

  @inline(__always)
  private func isSame(_ piece: UTF8Text, _ index: Int) -> Bool {
    let (start, count) = (pieces[index].start, pieces[index].count)
    guard count == piece.count else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      for offset in 0..<count where bytes[start + offset] != piece[offset] { return false }
      return true
    }
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 4)
    let mask = slots.count - 1
    for (index, piece) in pieces.enumerated() {
      var slot = Int(truncatingIfNeeded: piece.hash) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = UInt32(index + 1)
    }
  }

  /// Eight bytes at a time, each mixed in by a product of full width.
  @inline(__always)
  private func hash(_ piece: UTF8Text) -> UInt64 {
    var state = seed ^ UInt64(truncatingIfNeeded: piece.count)
    var index = 0
    while index < piece.count {
      var word: UInt64 = 0
      let end = Swift.min(index + 8, piece.count)
      while index < end {
        word = word << 8 | UInt64(piece[index])
        index += 1
      }
      let product = (state ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      state = product.high ^ product.low
    }
    return state
  }
}
