import CKernels

/// A weight matrix in one of the storages of `ck_rows`, and its values in Double.
struct WeightRowSample {
  var storage: ck_storage
  var rowCount, columnCount: Int
  var bits = 4
  var groupSize = 32
  var hasZeros = false
  var hasOneScale = false

  private(set) var values: [Double] = []
  private(set) var floats: [Float] = []
  private(set) var halves: [UInt16] = []
  private(set) var words: [UInt32] = []
  private(set) var scales: [Float] = []
  private(set) var zeros: [Float] = []

  init(_ storage: ck_storage, _ rowCount: Int, _ columnCount: Int) {
    self.storage = storage
    self.rowCount = rowCount
    self.columnCount = columnCount
  }

  private var groupCount: Int {
    hasOneScale ? 1 : (columnCount + groupSize - 1) / groupSize
  }

  /// Elements between rows: more than a row has, to catch kernels that assume they touch.
  private var stride: Int {
    storage == CK_PACKED ? (columnCount * bits + 31) / 32 + 1 : columnCount + 2
  }

  mutating func fill(_ samples: inout KernelSamples) {
    values = []
    switch storage {
    case CK_FLOAT32: fillFloats(&samples)
    case CK_PACKED: fillCodes(&samples)
    default: fillHalves(&samples)
    }
  }

  private mutating func fillFloats(_ samples: inout KernelSamples) {
    floats = samples.floats(rowCount * stride)
    for row in 0..<rowCount {
      values += floats[row * stride..<row * stride + columnCount].map(Double.init)
    }
  }

  private mutating func fillHalves(_ samples: inout KernelSamples) {
    let isFloat16 = storage == CK_FLOAT16
    halves = samples.floats(rowCount * stride).map {
      isFloat16 ? Float16($0).bitPattern : UInt16($0.bitPattern >> 16)
    }
    for row in 0..<rowCount {
      values += halves[row * stride..<row * stride + columnCount].map {
        isFloat16 ? Double(Float16(bitPattern: $0)) : Double(Float(bitPattern: UInt32($0) << 16))
      }
    }
  }

  private mutating func fillCodes(_ samples: inout KernelSamples) {
    let scaleCount = (hasOneScale ? 1 : rowCount) * groupCount
    scales = (0..<scaleCount).map { _ in 1.25 + samples.float() }
    zeros = hasZeros ? samples.codes(scaleCount, bits: bits).map(Float.init) : []
    words = []
    for row in 0..<rowCount {
      let codes = samples.codes(columnCount, bits: bits)
      var packed = [UInt32](repeating: 0, count: stride)
      for (column, code) in codes.enumerated() {
        let bit = column * bits
        let wide = UInt64(code) << (bit % 32)
        packed[bit / 32] |= UInt32(truncatingIfNeeded: wide)
        if wide >> 32 != 0 { packed[bit / 32 + 1] |= UInt32(wide >> 32) }
        let group = hasOneScale ? 0 : row * groupCount + column / groupSize
        let zero = hasZeros ? Double(zeros[group]) : Double(1 << (bits - 1))
        values.append(Double(scales[group]) * (Double(code) - zero))
      }
      words += packed
    }
    // The last row ends with its last word: reading on would leave the allocation.
    words.removeLast()
  }

  func withRows<Result>(_ body: (ck_rows) -> Result) -> Result {
    var rows = ck_rows()
    rows.storage = storage
    rows.row_count = rowCount
    rows.column_count = columnCount
    rows.row_stride = stride
    rows.bits = Int32(bits)
    rows.group_size = groupSize
    rows.scale_stride = hasOneScale ? 0 : groupCount
    return floats.withUnsafeBytes { floats in
      halves.withUnsafeBytes { halves in
        words.withUnsafeBytes { words in
          scales.withUnsafeBufferPointer { scales in
            zeros.withUnsafeBufferPointer { zeros in
              switch storage {
              case CK_FLOAT32: rows.data = floats.baseAddress
              case CK_PACKED: rows.data = words.baseAddress
              default: rows.data = halves.baseAddress
              }
              rows.scale = scales.baseAddress
              rows.zero = hasZeros ? zeros.baseAddress : nil
              return body(rows)
            }
          }
        }
      }
    }
  }
}
