import Tensor

/// The keys and values of the tokens that a decoder has seen, for each of its blocks.
///
/// The memory grows by doubling, so a token appended costs O(1) on average.
public final class KeyValueCache {
  /// Keys and values of one block.
  ///
  /// - Shapes: both [key heads × capacity × head width].
  struct Block {
    var keys: Tensor<Float>
    var values: Tensor<Float>
  }

  /// The tokens stored; the next one gets this position.
  public private(set) var count = 0
  private(set) var capacity = 0
  private(set) var blocks: [Block]
  private let keyHeadCount: Int
  private let headWidth: Int

  /// An empty cache for a model of `blockCount` blocks.
  public init(blockCount: Int, keyHeadCount: Int, headWidth: Int) {
    self.keyHeadCount = keyHeadCount
    self.headWidth = headWidth
    let empty = Tensor<Float>.zeros([keyHeadCount, 0, headWidth])
    blocks = Array(repeating: Block(keys: empty, values: empty), count: blockCount)
  }

  /// Bytes of the keys and values that are stored.
  public var byteCount: Int { 2 * blocks.count * keyHeadCount * count * headWidth * 4 }

  /// Forgets the tokens from `length` on.
  public func truncate(to length: Int) {
    expect(length >= 0 && length <= count, "cache: \(length) of \(count) tokens cannot stay")
    count = length
  }

  /// Makes room for `additional` more tokens in every block.
  func reserve(_ additional: Int) {
    let needed = count + additional
    guard needed > capacity else { return }
    let newCapacity = max(needed, 2 * capacity, 64)
    for index in blocks.indices {
      blocks[index].keys = widened(blocks[index].keys, to: newCapacity)
      blocks[index].values = widened(blocks[index].values, to: newCapacity)
    }
    capacity = newCapacity
  }

  private func widened(_ old: Tensor<Float>, to newCapacity: Int) -> Tensor<Float> {
    let (oldRow, newRow) = (old.shape[1] * headWidth, newCapacity * headWidth)
    return old.withUnsafeElements { source in
      Tensor(uninitialized: [keyHeadCount, newCapacity, headWidth]) { target in
        guard let to = target.baseAddress else { return }
        for head in 0..<keyHeadCount {
          guard let from = source.baseAddress, count > 0 else { continue }
          (to + head * newRow).update(from: from + head * oldRow, count: count * headWidth)
        }
      }
    }
  }

  /// Writes the keys and values of new tokens behind the stored ones of block `index`.
  ///
  /// - Shapes: keys and values [T × (KV·d)].
  func write(keys: Tensor<Float>, values: Tensor<Float>, block index: Int) {
    scatter(keys, into: &blocks[index].keys)
    scatter(values, into: &blocks[index].values)
  }

  /// Counts the tokens that every block has written.
  func advance(by tokens: Int) { count += tokens }

  private func scatter(_ rows: Tensor<Float>, into target: inout Tensor<Float>) {
    let width = headWidth
    let tokens = rows.shape[0]
    rows.withUnsafeElements { source in
      target.withUnsafeMutableElements { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        for token in 0..<tokens {
          for head in 0..<keyHeadCount {
            let place = to + (head * capacity + count + token) * width
            place.update(from: from + (token * keyHeadCount + head) * width, count: width)
          }
        }
      }
    }
  }
}
