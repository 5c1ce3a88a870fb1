public import Checkpoints
public import Tensor

/// Rows of weights as blocks of a GGUF file.
///
/// Codes of a `QuantizedMatrix` go into blocks as they are, without a second rounding:
///
/// | codes | blocks | value |
/// |---|---|---|
/// | symmetric, 4 bits | Q4_0 | d = s, d · (q − 8) |
/// | symmetric, 8 bits | Q8_0 | d = s, d · q |
/// | asymmetric, up to 4 bits | Q4_1 | d = s, m = −s · z, which half precision rounds |
/// | asymmetric, up to 4 bits | Q4_K | d = dmin = s, all sub-scales 1, all sub-minima z: exact |
/// | asymmetric, 2 bits | Q2_K | d = dmin = s, the same: exact |
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
  ///   - type: Q4_0, Q8_0, Q4_1, Q4_K or Q2_K.
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

  private static func check(
    _ matrix: QuantizedMatrix,
    _ type: GGUFTensorType
  ) throws(QuantizationError) {
    let grid = matrix.scheme.grid
    let fits =
      switch type {
      case .q4_0: grid.isSymmetric && grid.bits == 4
      case .q8_0: grid.isSymmetric && grid.bits == 8
      case .q4_1, .q4_K: grid.bits <= 4 && (!grid.isSymmetric || grid.bits == 4)
      case .q2_K: !grid.isSymmetric && grid.bits <= 2
      default: false
      }
    guard fits, matrix.inputOrder == nil else {
      throw .invalidScheme(
        "\(grid.bits)-bit \(grid.isSymmetric ? "symmetric" : "asymmetric") codes have no place in "
          + "blocks of \(type.name)"
      )
    }
    try matrix.requireMultiple(of: type.blockCount, matrix.shape[1], "inputs", name)
    if case .inputGroups(let size) = matrix.scheme.granularity, size < matrix.shape[1] {
      try matrix.requireMultiple(of: type.blockCount, size, "inputs of a group", name)
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
    case .q4_0:
      store(step, bytes, 0)
      storeNibbles(codes, bytes, 2)
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
