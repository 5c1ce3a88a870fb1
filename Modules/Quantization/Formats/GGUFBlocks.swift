public import Checkpoints
public import Tensor

/// Rows of weights as blocks of a GGUF file.
///
/// Codes of a `QuantizedMatrix` go into blocks as they are, without a second rounding:
///
/// | differences n = code − z | blocks | value |
/// |---|---|---|
/// | −8 … 7: symmetric 4 bits, all 3 bits | Q4_0 | d = s, d · (q − 8) |
/// | −16 … 15: all 4 bits, symmetric 5 bits | Q5_0 | d = s, d · (q − 16) |
/// | −128 … 127: all up to 7 bits, symmetric 8 bits | Q8_0 | d = s, d · q |
/// | codes up to 4 bits | Q4_K | d = dmin = s, all sub-scales 1, all sub-minima z: exact |
/// | codes up to 2 bits | Q2_K | d = dmin = s, the same: exact |
/// | codes up to 4 bits | Q4_1 | d = s, m = −s · z, which half precision rounds |
///
/// Step sizes are exact if they are half-precision numbers. Groups of inputs must fill whole blocks.
///
/// - Source: the layouts of ggml; gguf (Python) 0.19 for the rounding of floats.
public enum GGUFBlocks {
  static let name = "GGUF"

  /// The blocks of a quantized matrix.
  ///
  /// - Parameters:
  ///   - matrix: rows or groups of inputs.
  ///   - type: Q4_0, Q5_0, Q8_0, Q4_1, Q4_K or Q2_K.
  /// - Returns: bytes [N × bytes of a row].
  /// - Throws: `QuantizationError.invalidScheme` if the codes do not fit the type.
  public static func encoding(
    _ matrix: QuantizedMatrix,
    as type: GGUFTensorType
  ) throws(QuantizationError) -> Tensor<UInt8> {
    try check(matrix, type)
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    let (size, width) = (type.blockByteCount, type.blockCount)
    let codes = matrix.codes()
    let grids = try matrix.gridsOfInputGroups(name)
    let group = matrix.scheme.granularity.layout(for: matrix.shape).columnsPerGroup
    let groups = grids.stepSizes.shape[1]
    let (steps, zeros) = (grids.stepSizes.elements, grids.zeroPoints.elements)
    let blocks = columns / width
    var result = Tensor<UInt8>.zeros([rows, blocks * size])
    codes.withUnsafeElements { codes in
      result.withUnsafeMutableElements { bytes in
        for row in 0..<rows {
          for block in 0..<blocks {
            let index = row * groups + block * width / group
            let from = row * columns + block * width
            let to = (row * blocks + block) * size
            encode(
              UnsafeBufferPointer(rebasing: codes[from..<from + width]),
              step: steps[index],
              zero: zeros[index],
              type,
              UnsafeMutableBufferPointer(rebasing: bytes[to..<to + size])
            )
          }
        }
      }
    }
    return result
  }

  /// The types that hold codes exactly, the smallest first; of equal ones the simplest.
  static let exactTypes: [GGUFTensorType] = [.q2_K, .q4_0, .q4_K, .q5_0, .q8_0]

  /// The smallest type that holds all of these matrices exactly; nil if none does.
  static func exactType(for matrices: [QuantizedMatrix]) -> GGUFTensorType? {
    exactTypes.first { type in
      matrices.allSatisfy { matrix in
        do throws(QuantizationError) { try check(matrix, type) } catch { return false }
        return true
      }
    }
  }

  /// Refuses codes that have no place in blocks of that type.
  static func check(
    _ matrix: QuantizedMatrix,
    _ type: GGUFTensorType
  ) throws(QuantizationError) {
    let grid = matrix.scheme.grid
    guard matrix.inputOrder == nil else {
      throw .invalidScheme(
        "blocks hold neighbouring inputs, these groups do not; quantize without activation order"
      )
    }
    let layout = matrix.scheme.granularity.layout(for: matrix.shape)
    if case .outputGroups = matrix.scheme.granularity { _ = try matrix.gridsOfInputGroups(name) }
    try matrix.requireMultiple(
      of: type.blockCount,
      matrix.shape[1],
      "inputs for \(type.name)",
      name
    )
    if layout.columnsPerGroup < matrix.shape[1] {
      let size = layout.columnsPerGroup
      try matrix.requireMultiple(of: type.blockCount, size, "group sizes for \(type.name)", name)
    }
    let bits =
      switch type {
      case .q2_K: 2
      case .q4_1, .q4_K: 4
      case .q4_0, .q5_0, .q8_0: 8
      default: 0
      }
    guard grid.bits <= bits else {
      throw .invalidScheme("codes of \(grid.bits) bits have no place in \(type.name)")
    }
    guard let allowed = differences(type) else { return }
    let found = try matrix.differences()
    guard allowed.contains(found.lowerBound), allowed.contains(found.upperBound) else {
      throw .invalidScheme(
        "\(type.name) holds differences of code and zero point from \(allowed.lowerBound) to "
          + "\(allowed.upperBound), these reach from \(found.lowerBound) to \(found.upperBound)"
      )
    }
  }

  /// The values of n that a type with d · n holds; nil for types with minima.
  private static func differences(_ type: GGUFTensorType) -> ClosedRange<Int>? {
    switch type {
    case .q4_0: -8...7
    case .q5_0: -16...15
    case .q8_0: -128...127
    default: nil
    }
  }

  private static func encode(
    _ codes: UnsafeBufferPointer<UInt8>,
    step: Float,
    zero: UInt8,
    _ type: GGUFTensorType,
    _ bytes: UnsafeMutableBufferPointer<UInt8>
  ) {
    switch type {
    case .q8_0:
      store(step, bytes, 0)
      for index in 0..<32 { bytes[2 + index] = codes[index] &- zero }
    case .q4_0, .q5_0:
      store(step, bytes, 0)
      let middle: UInt8 = type == .q4_0 ? 8 : 16
      let shifted = codes.map { $0 &- zero &+ middle }
      shifted.withUnsafeBufferPointer { storeNibbles($0, bytes, type == .q4_0 ? 2 : 6) }
      guard type == .q5_0 else { return }
      for index in 0..<32 { bytes[2 + index / 8] |= (shifted[index] >> 4) << UInt8(index % 8) }
    case .q4_1:
      store(step, bytes, 0)
      store(-step * Float(zero), bytes, 2)
      storeNibbles(codes, bytes, 4)
    case .q4_K: encodeQ4K(codes, step, zero, bytes)
    default: encodeQ2K(codes, step, zero, bytes)
    }
  }

  /// Six-bit scales 1 and minima z of eight sub-blocks in twelve bytes, then four runs of 64 codes.
  private static func encodeQ4K(
    _ codes: UnsafeBufferPointer<UInt8>,
    _ step: Float,
    _ zero: UInt8,
    _ bytes: UnsafeMutableBufferPointer<UInt8>
  ) {
    store(step, bytes, 0)
    store(step, bytes, 2)
    for index in 0..<4 {
      bytes[4 + index] = 1
      bytes[8 + index] = zero
      bytes[12 + index] = 1 | zero << 4
    }
    for run in 0..<4 {
      for index in 0..<32 {
        bytes[16 + run * 32 + index] = codes[run * 64 + index] | codes[run * 64 + 32 + index] << 4
      }
    }
  }

  /// Scale 1 and minimum z of sixteen sub-blocks, two halves of 128 codes, then d and dmin.
  private static func encodeQ2K(
    _ codes: UnsafeBufferPointer<UInt8>,
    _ step: Float,
    _ zero: UInt8,
    _ bytes: UnsafeMutableBufferPointer<UInt8>
  ) {
    for index in 0..<16 { bytes[index] = 1 | zero << 4 }
    for half in 0..<2 {
      for index in 0..<32 {
        bytes[16 + half * 32 + index] = (0..<4).reduce(UInt8(0)) {
          $0 | codes[half * 128 + $1 * 32 + index] << UInt8(2 * $1)
        }
      }
    }
    store(step, bytes, 80)
    store(step, bytes, 82)
  }

  /// A number in half precision, little-endian.
  static func store(_ value: Float, _ bytes: UnsafeMutableBufferPointer<UInt8>, _ at: Int) {
    let bits = Float16(value).bitPattern
    bytes[at] = UInt8(truncatingIfNeeded: bits)
    bytes[at + 1] = UInt8(truncatingIfNeeded: bits >> 8)
  }

  /// Sixteen bytes: code j below, code j + 16 above.
  static func storeNibbles(
    _ codes: UnsafeBufferPointer<UInt8>,
    _ bytes: UnsafeMutableBufferPointer<UInt8>,
    _ at: Int
  ) {
    for index in 0..<16 {
      bytes[at + index] = codes[index] & 15 | (codes[index + 16] & 15) << 4
    }
  }
}

extension QuantizedMatrix {
  /// The smallest and the largest code − z.
  fileprivate func differences() throws(QuantizationError) -> ClosedRange<Int> {
    let grids = try gridsOfInputGroups(GGUFBlocks.name)
    let (groups, width) = (grids.zeroPoints.shape[1], shape[1])
    let size = scheme.granularity.layout(for: shape).columnsPerGroup
    let (codes, zeros) = (codes(), grids.zeroPoints.elements)
    var (low, high) = (0, 0)
    codes.withUnsafeElements { codes in
      for row in 0..<shape[0] {
        for group in 0..<groups {
          let zero = Int(zeros[row * groups + group])
          for column in group * size..<Swift.min((group + 1) * size, width) {
            let difference = Int(codes[row * width + column]) - zero
            (low, high) = (Swift.min(low, difference), Swift.max(high, difference))
          }
        }
      }
    }
    return low...high
  }
}
