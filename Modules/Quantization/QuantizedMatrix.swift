public import Tensor

/// A weight matrix as packed integer codes with step sizes and zero points.
///
///     value[r, c] = s[r, g] · (code[r, c] − z[r, g]),  g = c / group size
///
/// Codes lie as one little-endian bit stream per row: code i in bits [i·bits, (i+1)·bits), rows
/// padded to 32-bit words.
///
/// - Shapes: [N × K]; step sizes and zero points [N × ⌈K/group⌉], or [1 × 1] per tensor.
public struct QuantizedMatrix: Sendable {
  /// The scheme that the codes were made with.
  public let scheme: WeightScheme
  /// z as integers; nil for symmetric grids, whose zero point is 2^(bits−1).
  public let zeroPoints: Tensor<UInt8>?
  let packed: PackedRows

  init(
    scheme: WeightScheme,
    columnCount: Int,
    words: Tensor<Int32>,
    stepSizes: Tensor<Float>,
    zeroPoints: Tensor<UInt8>?
  ) {
    self.scheme = scheme
    self.zeroPoints = zeroPoints
    packed = PackedRows(
      bits: scheme.grid.bits,
      columnCount: columnCount,
      groupSize: scheme.granularity.groupSize(columnCount: columnCount),
      words: words,
      scales: stepSizes,
      zeros: zeroPoints.map { points in
        Tensor(points.elements.map(Float.init), shape: points.shape)
      }
    )
  }

  /// [N × K].
  public var shape: Shape { [packed.rowCount, packed.columnCount] }
  /// s.
  public var stepSizes: Tensor<Float> { packed.scales }
  /// The codes as packed words [N × ⌈K·bits/32⌉].
  public var words: Tensor<Int32> { packed.words }
  /// The codes [N × K], one byte each.
  public func codes() -> Tensor<UInt8> { packed.codes() }

  /// The bytes that codes, step sizes and zero points take in a file.
  public var byteCount: Int {
    words.count * 4 + stepSizes.count * scheme.scaleType.byteCount + (zeroPoints?.count ?? 0)
  }

  /// The weights that the codes stand for [N × K].
  public func dequantized() -> Tensor<Float> { packed.rows((0..<Int32(shape[0])).map { $0 }) }

  /// x Wᵀ + bias straight from the codes.
  ///
  /// - Shapes: x [… × K], bias [N] or nil, result [… × N].
  public func product(with input: Tensor<Float>, bias: Tensor<Float>? = nil) -> Tensor<Float> {
    packed.product(with: input, bias: bias)
  }

  /// The rows `indices` as floats [indices.count × K].
  public func rows(_ indices: [Int32]) -> Tensor<Float> { packed.rows(indices) }
}
