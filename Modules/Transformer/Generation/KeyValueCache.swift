import Tensor

/// The keys and values of the tokens that a decoder has seen, for each of its blocks.
///
/// The memory grows by doubling, so a token appended costs O(1) on average. In 8 bits each head of a
/// token has a grid of its own, found when the token comes, behind the rotation: a quarter of the
/// memory and a little more of the head width.
public final class KeyValueCache {
  /// How keys and values are stored.
  public enum Precision: String, Codable, Hashable, Sendable, CaseIterable {
    /// As floats.
    case float
    /// As codes of 8 bits, with a step size and a zero point for each head of a token.
    case eightBits
  }

  /// Keys and values of one block.
  private struct Block {
    var keys: CacheRows
    var values: CacheRows
  }

  /// The tokens stored; the next one gets this position.
  public private(set) var count = 0
  /// How keys and values are stored.
  public let precision: Precision
  /// So many tokens will never be exceeded: memory for more is not taken.
  var limit = Int.max
  private var capacity = 0
  private var blocks: [Block]
  private let keyHeadCount: Int
  private let headWidth: Int

  /// An empty cache for a model of `blockCount` blocks.
  public init(
    blockCount: Int,
    keyHeadCount: Int,
    headWidth: Int,
    precision: Precision = .float
  ) {
    self.keyHeadCount = keyHeadCount
    self.headWidth = headWidth
    self.precision = precision
    let isCoded = precision == .eightBits
    let empty = CacheRows(headCount: keyHeadCount, width: headWidth, isCoded: isCoded)
    blocks = Array(repeating: Block(keys: empty, values: empty), count: blockCount)
  }

  /// Bytes of the keys and values that are stored.
  public var byteCount: Int {
    2 * blocks.count * count
      * CacheRows.byteCount(
        headCount: keyHeadCount,
        width: headWidth,
        isCoded: precision == .eightBits
      )
  }

  /// Bytes of the keys and values of `tokens` tokens in a model of that shape.
  public static func byteCount(
    tokens: Int,
    of configuration: TransformerConfiguration,
    precision: Precision = .float
  ) -> Int {
    2 * configuration.blockCount * tokens
      * CacheRows.byteCount(
        headCount: configuration.keyHeadCount,
        width: configuration.headWidth,
        isCoded: precision == .eightBits
      )
  }

  /// Forgets the tokens from `length` on.
  public func truncate(to length: Int) {
    expect(length >= 0 && length <= count, "cache: \(length) of \(count) tokens cannot stay")
    count = length
  }

  /// Forgets its tokens and takes over the first `length` of another cache of the same model.
  func adopt(_ other: KeyValueCache, count length: Int) {
    expect(length <= other.count, "cache: \(length) of \(other.count) tokens cannot be taken over")
    count = 0
    reserve(length)
    for index in blocks.indices {
      blocks[index].keys.copy(other.blocks[index].keys, count: length)
      blocks[index].values.copy(other.blocks[index].values, count: length)
    }
    count = length
  }

  /// Makes room for `additional` more tokens in every block.
  func reserve(_ additional: Int) {
    let needed = count + additional
    guard needed > capacity else { return }
    let newCapacity = max(needed, min(max(2 * capacity, 64), limit))
    for index in blocks.indices {
      blocks[index].keys.widen(to: newCapacity, count: count)
      blocks[index].values.widen(to: newCapacity, count: count)
    }
    capacity = newCapacity
  }

  /// Writes the keys and values of new tokens behind the stored ones of block `index`.
  ///
  /// - Shapes: keys and values [T × (KV·d)].
  func write(keys: Tensor<Float>, values: Tensor<Float>, block index: Int) {
    blocks[index].keys.write(keys, from: count)
    blocks[index].values.write(values, from: count)
  }

  /// The place of the next token in block `index`.
  ///
  /// The pointers are valid until the cache makes room or is gone.
  func nextRow(block index: Int) -> DecoderBlockKernel.Row {
    guard let keys = blocks[index].keys.place, let values = blocks[index].values.place else {
      fatalError("cache: block \(index) has no room for a token")
    }
    return DecoderBlockKernel.Row(
      keys: keys,
      values: values,
      capacity: capacity,
      position: count
    )
  }

  /// The keys and values of block `index`, those that were just written included.
  ///
  /// - Shapes: both [KV × (at least as many as were written) × d].
  func stored(block index: Int) -> (keys: StoredRows, values: StoredRows) {
    (blocks[index].keys.stored, blocks[index].values.stored)
  }

  /// Counts the tokens that every block has written.
  func advance(by tokens: Int) { count += tokens }
}
