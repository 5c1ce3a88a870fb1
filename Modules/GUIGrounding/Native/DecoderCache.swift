import Tensor

/// The keys and values of the positions that a block has seen, for every response.
///
/// - Shapes: keys and values [N × capacity × H × d/H], of which the first `length` positions count.
struct DecoderCache {
  private(set) var keys: Tensor<Float>
  private(set) var values: Tensor<Float>
  private(set) var length = 0
  /// G, the responses to one image.
  private let repeats: Int

  init(rows: Int, repeats: Int, capacity: Int, headCount: Int, width: Int) {
    let shape: Shape = [rows, capacity, headCount, width / headCount]
    keys = .zeros(shape)
    values = .zeros(shape)
    self.repeats = repeats
  }

  /// Which positions of the cache count.
  var mask: AttentionMask {
    AttentionMask(keyLengths: Array(repeating: length, count: keys.shape[0]))
  }

  /// Takes queries, keys and values [P × M × 3d] of the shared positions over for all responses.
  mutating func start(with fused: Tensor<Float>) {
    length = fused.shape[1]
    write(fused, at: 0, repeats: repeats)
  }

  /// Takes the next position [N × 1 × 3d] over.
  ///
  /// - Returns: its queries [N × 1 × H × d/H].
  mutating func append(_ fused: Tensor<Float>) -> Tensor<Float> {
    write(fused, at: length, repeats: 1)
    length += 1
    let shape: Shape = [keys.shape[0], 1, keys.shape[2], keys.shape[3]]
    let width = shape[2] * shape[3]
    return fused.withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        for row in 0..<shape[0] {
          (to + row * width).update(from: from + row * 3 * width, count: width)
        }
      }
    }
  }

  /// Copies the keys and values of `fused` to positions from `first` on, each row to `repeats`
  /// responses.
  private mutating func write(_ fused: Tensor<Float>, at first: Int, repeats: Int) {
    let (rows, capacity, count) = (keys.shape[0], keys.shape[1], fused.shape[1])
    let width = keys.shape[2] * keys.shape[3]
    fused.withUnsafeElements { source in
      keys.withUnsafeMutableElements { keys in
        values.withUnsafeMutableElements { values in
          guard let source = source.baseAddress, let keys = keys.baseAddress,
            let values = values.baseAddress
          else { return }
          for row in 0..<rows {
            for position in 0..<count {
              let from = source + ((row / repeats) * count + position) * 3 * width
              let place = (row * capacity + first + position) * width
              (keys + place).update(from: from + width, count: width)
              (values + place).update(from: from + 2 * width, count: width)
            }
          }
        }
      }
    }
  }
}
