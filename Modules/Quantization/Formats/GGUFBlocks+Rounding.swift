public import Checkpoints
public import Tensor

extension GGUFBlocks {
  /// Blocks of floats, rounded as ggml's reference does: without calibration, block by block.
  ///
  /// | type | d | code |
  /// |---|---|---|
  /// | Q4_0, Q5_0 | M / −8, M / −16, M the value of largest size | ⌊x / d + 8.5⌋, ⌊x / d + 16.5⌋ |
  /// | Q4_1, Q5_1 | (max − min) / 15, / 31 | ⌊(x − min) / d + 0.5⌋ |
  /// | Q8_0 | largest size / 127 | x / d, halves away from zero |
  ///
  /// - Parameters:
  ///   - values: [N × K], K in multiples of 32.
  ///   - type: Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0.
  /// - Returns: bytes [N × bytes of a row].
  /// - Throws: `QuantizationError.invalidScheme` for other types and extents.
  public static func rounding(
    _ values: Tensor<Float>,
    as type: GGUFTensorType
  ) throws(QuantizationError) -> Tensor<UInt8> {
    guard [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0].contains(type) else {
      throw .invalidScheme("floats are not rounded to blocks of \(type.name) here")
    }
    guard values.rank == 2, values.shape[1] % 32 == 0 else {
      throw .invalidScheme("\(name) needs rows in multiples of 32, found \(values.shape)")
    }
    let (size, count) = (type.blockByteCount, values.count / 32)
    var result = Tensor<UInt8>.zeros([values.shape[0], values.shape[1] / 32 * size])
    values.withUnsafeElements { values in
      result.withUnsafeMutableElements { bytes in
        WorkPool.forEachRange(count: count, grain: 512) { range in
          for block in range {
            round(
              UnsafeBufferPointer(rebasing: values[block * 32..<(block + 1) * 32]),
              type,
              UnsafeMutableBufferPointer(rebasing: bytes[block * size..<(block + 1) * size])
            )
          }
        }
      }
    }
    return result
  }

  private static func round(
    _ x: UnsafeBufferPointer<Float>,
    _ type: GGUFTensorType,
    _ bytes: UnsafeMutableBufferPointer<UInt8>
  ) {
    var largest: Float = 0
    for value in x where abs(value) > abs(largest) { largest = value }
    switch type {
    case .q8_0:
      let d = abs(largest) / 127
      let inverse = d == 0 ? 0 : 1 / d
      store(d, bytes, 0)
      for index in 0..<32 {
        let code = (x[index] * inverse).rounded(.toNearestOrAwayFromZero)
        bytes[2 + index] = UInt8(bitPattern: Int8(code))
      }
    case .q4_0, .q5_0:
      let middle: Double = type == .q4_0 ? 8 : 16
      let d = largest / -Float(middle)
      let inverse = Double(d == 0 ? 0 : 1 / d)
      store(d, bytes, 0)
      storeCodes(bytes, type, at: 2) { Double(x[$0]) * inverse + (middle + 0.5) }
    default:
      let (low, high) = x.reduce((Float.infinity, -Float.infinity)) {
        (Swift.min($0.0, $1), Swift.max($0.1, $1))
      }
      let d = (high - low) / (type == .q4_1 ? 15 : 31)
      let inverse = d == 0 ? 0 : 1 / d
      store(d, bytes, 0)
      store(low, bytes, 2)
      storeCodes(bytes, type, at: 4) { Double((x[$0] - low) * inverse + 0.5) }
    }
  }

  /// Codes of four bits, or of five with the fifth bits before the others.
  private static func storeCodes(
    _ bytes: UnsafeMutableBufferPointer<UInt8>,
    _ type: GGUFTensorType,
    at start: Int,
    _ value: (Int) -> Double
  ) {
    let hasFifthBits = type == .q5_0 || type == .q5_1
    let top: Double = hasFifthBits ? 31 : 15
    let codes = (0..<32).map { UInt8(Swift.min(Swift.max(value($0), 0), top)) }
    codes.withUnsafeBufferPointer { storeNibbles($0, bytes, start + (hasFifthBits ? 4 : 0)) }
    guard hasFifthBits else { return }
    for index in 0..<32 { bytes[start + index / 8] |= (codes[index] >> 4) << UInt8(index % 8) }
  }
}
