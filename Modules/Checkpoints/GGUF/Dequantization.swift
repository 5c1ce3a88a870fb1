import Tensor

/// Expands blocks, `count` of them, to floats.
typealias BlockKernel = (
  _ blocks: UnsafePointer<UInt8>, _ count: Int, _ out: UnsafeMutablePointer<Float>
) -> Void

extension GGUFTensorType {
  /// Expands whole blocks of a quantized type to floats, on all threads.
  ///
  /// Each value is computed in `Float`, one multiply and at most one add in the order of ggml's
  /// reference, so the bits are the same.
  package func dequantize(
    _ bytes: UnsafeRawBufferPointer,
    _ target: UnsafeMutableBufferPointer<Float>
  ) {
    guard let kernel, let from = bytes.baseAddress, let to = target.baseAddress else { return }
    let count = bytes.count / blockByteCount
    expect(
      count * blockByteCount == bytes.count && count * blockCount == target.count,
      "dequantize: \(bytes.count) bytes of \(name) for \(target.count) values"
    )
    let blocks = from.assumingMemoryBound(to: UInt8.self)
    let (size, width) = (blockByteCount, blockCount)
    WorkPool.forEachRange(count: count, grain: 65_536 / width) { range in
      kernel(blocks + range.lowerBound * size, range.count, to + range.lowerBound * width)
    }
  }

  private var kernel: BlockKernel? {
    switch self {
    case .q4_0: expandQ4_0
    case .q4_1: expandQ4_1
    case .q5_0: expandQ5_0
    case .q5_1: expandQ5_1
    case .q8_0: expandQ8_0
    case .q2_K: expandQ2_K
    case .q3_K: expandQ3_K
    case .q4_K: expandQ4_K
    case .q5_K: expandQ5_K
    case .q6_K: expandQ6_K
    case .float32, .float16, .bfloat16, .float64, .int8, .int16, .int32, .int64: nil
    }
  }
}

/// The half-precision number at `pointer`, exactly, without the slow library call that baseline
/// x86-64 makes of the built-in conversion.
@inline(__always)
func halfPrecision(_ pointer: UnsafePointer<UInt8>) -> Float {
  let bits = UInt32(pointer[0]) | UInt32(pointer[1]) << 8
  let sign = (bits & 0x8000) << 16
  let magnitude = (bits & 0x7FFF) << 13
  // Exponent 31 is infinity or NaN; for all others the difference of the biases is a factor.
  let value =
    magnitude >= 0x0F80_0000
    ? Float(bitPattern: magnitude | 0x7F80_0000) : Float(bitPattern: magnitude) * 0x1p112
  return Float(bitPattern: value.bitPattern | sign)
}
