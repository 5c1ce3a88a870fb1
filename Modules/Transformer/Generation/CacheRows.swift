import Tensor

/// The keys or the values of one block: rows of heads, as floats or as 8-bit codes.
///
/// A coded row has a step size and a zero point of its own: x̂ = s · (code − z), zero included.
///
/// - Shapes: [key heads × capacity × head width].
struct CacheRows {
  private let headCount: Int
  private let width: Int
  private var capacity = 0
  private var floats: Tensor<Float>
  private var codes: Tensor<UInt8>
  /// s and z of each row, side by side; [key heads × capacity × 2].
  private var grids: Tensor<Float>
  private let isCoded: Bool

  init(headCount: Int, width: Int, isCoded: Bool) {
    (self.headCount, self.width, self.isCoded) = (headCount, width, isCoded)
    floats = .zeros([headCount, 0, width])
    codes = .zeros([headCount, 0, width])
    grids = .zeros([headCount, 0, 2])
  }

  /// The bytes of a token.
  static func byteCount(headCount: Int, width: Int, isCoded: Bool) -> Int {
    headCount * (isCoded ? width + 8 : 4 * width)
  }

  /// Makes room for so many tokens; the first `count` stay.
  mutating func widen(to newCapacity: Int, count: Int) {
    if isCoded {
      codes = widened(codes, to: newCapacity, count: count)
      grids = widened(grids, to: newCapacity, count: count)
    } else {
      floats = widened(floats, to: newCapacity, count: count)
    }
    capacity = newCapacity
  }

  private func widened<Element: TensorElement>(
    _ old: Tensor<Element>,
    to newCapacity: Int,
    count: Int
  ) -> Tensor<Element> {
    let width = old.shape[2]
    let (oldRow, newRow) = (old.shape[1] * width, newCapacity * width)
    return old.withUnsafeElements { source in
      Tensor(uninitialized: [headCount, newCapacity, width]) { target in
        guard let to = target.baseAddress else { return }
        for head in 0..<headCount {
          guard let from = source.baseAddress, count > 0 else { continue }
          (to + head * newRow).update(from: from + head * oldRow, count: count * width)
        }
      }
    }
  }

  /// Takes over the first `count` rows of each head of others of the same kind.
  mutating func copy(_ other: CacheRows, count: Int) {
    guard isCoded else { return Self.copy(other.floats, to: &floats, count: count) }
    Self.copy(other.codes, to: &codes, count: count)
    Self.copy(other.grids, to: &grids, count: count)
  }

  private static func copy<Element: TensorElement>(
    _ source: Tensor<Element>,
    to target: inout Tensor<Element>,
    count: Int
  ) {
    let (headCount, width) = (source.shape[0], source.shape[2])
    let (sourceRow, targetRow) = (source.shape[1] * width, target.shape[1] * width)
    source.withUnsafeElements { source in
      target.withUnsafeMutableElements { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        for head in 0..<headCount {
          (to + head * targetRow).update(from: from + head * sourceRow, count: count * width)
        }
      }
    }
  }

  /// Writes the rows of new tokens [T × (heads·d)] from place `first` on.
  mutating func write(_ rows: Tensor<Float>, from first: Int) {
    let (tokens, headCount, width, capacity) = (rows.shape[0], headCount, width, capacity)
    rows.withUnsafeElements { source in
      func forEachRow(_ body: (UnsafeBufferPointer<Float>, _ place: Int) -> Void) {
        for token in 0..<tokens {
          for head in 0..<headCount {
            let start = (token * headCount + head) * width
            let row = UnsafeBufferPointer(rebasing: source[start..<start + width])
            body(row, head * capacity + first + token)
          }
        }
      }
      guard isCoded else {
        floats.withUnsafeMutableElements { target in
          guard let to = target.baseAddress else { return }
          forEachRow { row, place in
            guard let from = row.baseAddress else { return }
            (to + place * width).update(from: from, count: width)
          }
        }
        return
      }
      codes.withUnsafeMutableElements { codes in
        grids.withUnsafeMutableElements { grids in
          guard let to = codes.baseAddress else { return }
          forEachRow { row, place in
            let (minimum, maximum) = (min(row.min() ?? 0, 0), max(row.max() ?? 0, 0))
            let step = max((maximum - minimum) / 255, 1e-8)
            let zero = min(max((-minimum / step).rounded(.toNearestOrEven), 0), 255)
            (grids[2 * place], grids[2 * place + 1]) = (step, zero)
            GroupRounding.quantize(
              row,
              stepSize: step,
              zeroPoint: zero,
              bits: 8,
              into: to + place * width
            )
          }
        }
      }
    }
  }

  /// Where the rows lie: theirs alone, and there as long as these rows are.
  var place: DecoderBlockKernel.CachedRows? {
    mutating get {
      guard isCoded else {
        return floats.withUnsafeMutableElements { $0.baseAddress.map { .floats($0) } }
      }
      let grids = grids.withUnsafeMutableElements { $0.baseAddress }
      let codes = codes.withUnsafeMutableElements { $0.baseAddress }
      guard let grids, let codes else { return nil }
      return .codes(codes, grids: grids)
    }
  }

  /// The rows as they are stored, those behind the last token included.
  var stored: StoredRows { isCoded ? .codes(codes, grids: grids) : .floats(floats) }
}
