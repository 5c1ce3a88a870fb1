public import Tensor

extension GGUFFile {
  /// A matrix straight from the blocks that hold it, its values those of `tensor(named:)`; nil for
  /// types that are no low-bit blocks of the kernels: all but Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q3_K, Q4_K,
  /// Q5_K and Q6_K.
  ///
  /// - Parameters:
  ///   - name: the tensor.
  ///   - rowOrder: which row of the file each row is; nil for the order of the file.
  /// - Returns: the matrix, in memory.
  /// - Throws: `CheckpointError.missingTensor` with the nearest names.
  public func interleavedMatrix(
    _ name: String,
    rowOrder: [Int32]?
  ) throws(CheckpointError) -> InterleavedMatrix? {
    let entry = try entry(named: name)
    guard entry.extents.count == 2, entry.extents[0] > 0, entry.extents[1] > 0,
      let form = entry.type.interleavedForm
    else { return nil }
    let (columns, size) = (entry.extents[1], entry.type.blockByteCount)
    let blocks = columns / entry.type.blockCount
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.byteRange])
    defer { withExtendedLifetime(file) {} }
    guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
    let rows = rowOrder?.count ?? entry.extents[0]
    expect(
      rowOrder?.allSatisfy { $0 >= 0 && $0 < entry.extents[0] } ?? true,
      "interleaved matrix: rows \(rowOrder ?? []) of \(entry.extents[0])"
    )
    return InterleavedMatrix(
      shape: [rows, columns],
      codes: .bits(form.bits),
      scales: form.scales,
      groupSize: entry.type.blockCount
    ) { range, band in
      for (place, row) in range.enumerated() {
        let from = start + (rowOrder.map { Int($0[row]) } ?? row) * blocks * size
        for block in 0..<blocks {
          form.read(from + block * size, band, place * blocks + block)
        }
      }
    }
  }
}

/// How blocks become parts of an interleaved band.
private struct InterleavedForm {
  let bits: Int
  let scales: InterleavedMatrix.Scales
  /// Reads a block into the codes and scales of block number `index` of the band.
  let read: (_ block: UnsafePointer<UInt8>, _ band: InterleavedMatrix.Band, _ index: Int) -> Void
}

extension GGUFTensorType {
  /// Whether products are computed from the blocks as they are; others become floats first.
  package var hasKernel: Bool { interleavedForm != nil }

  fileprivate var interleavedForm: InterleavedForm? {
    switch self {
    case .q4_0: InterleavedForm(bits: 4, scales: .half(zero: 8), read: readQ4_0)
    case .q4_1: InterleavedForm(bits: 4, scales: .halfOffsets, read: readQ4_1)
    case .q5_0: InterleavedForm(bits: 5, scales: .half(zero: 16), read: readQ5_0)
    case .q5_1: InterleavedForm(bits: 5, scales: .halfOffsets, read: readQ5_1)
    case .q8_0: InterleavedForm(bits: 8, scales: .half(zero: 128), read: readQ8_0)
    case .q4_K: InterleavedForm(bits: 4, scales: .q4K, read: readQ4_K)
    case .q3_K: InterleavedForm(bits: 3, scales: .q6K, read: readQ3_K)
    case .q5_K: InterleavedForm(bits: 5, scales: .q4K, read: readQ5_K)
    case .q6_K: InterleavedForm(bits: 6, scales: .q6K, read: readQ6_K)
    case .q2_K, .float32, .float16, .bfloat16, .float64, .int8, .int16,
      .int32, .int64:
      nil
    }
  }
}

private func readNibbles(_ bytes: UnsafePointer<UInt8>, _ codes: UnsafeMutablePointer<UInt8>) {
  for j in 0..<16 {
    codes[j] = bytes[j] & 15
    codes[j + 16] = bytes[j] >> 4
  }
}

private func readQ4_0(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let codes = band.codes.baseAddress else { return }
  band.scales[index] = halfPrecision(block)
  readNibbles(block + 2, codes + index * 32)
}

private func readQ4_1(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let codes = band.codes.baseAddress else { return }
  band.scales[index] = halfPrecision(block)
  band.offsets[index] = halfPrecision(block + 2)
  readNibbles(block + 4, codes + index * 32)
}

private func readQ5_0(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 32
  band.scales[index] = halfPrecision(block)
  readNibbles(block + 6, codes)
  readFifthBits(block + 2, codes)
}

private func readQ5_1(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 32
  band.scales[index] = halfPrecision(block)
  band.offsets[index] = halfPrecision(block + 2)
  readNibbles(block + 8, codes)
  readFifthBits(block + 4, codes)
}

private func readFifthBits(_ bytes: UnsafePointer<UInt8>, _ codes: UnsafeMutablePointer<UInt8>) {
  for j in 0..<32 { codes[j] |= (bytes[j >> 3] >> UInt8(j & 7) & 1) << 4 }
}

private func readQ8_0(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 32
  band.scales[index] = halfPrecision(block)
  for j in 0..<32 { codes[j] = block[2 + j] ^ 0x80 }
}

/// The head of Q4_K and Q5_K: d, dmin, and a scale and a minimum for each 32.
private func readScalesAndMinima(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  band.scales[index] = halfPrecision(block)
  band.offsets[index] = halfPrecision(block + 2)
  for group in 0..<8 {
    let (scale, minimum) = scaleAndMinimum(block + 4, group)
    band.unitScales[index * 8 + group] = UInt8(scale)
    band.unitOffsets[index * 8 + group] = UInt8(minimum)
  }
}

private func readQ4_K(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 256
  readScalesAndMinima(block, band, index)
  for group in 0..<8 {
    let (from, shift) = (block + 16 + (group >> 1) * 32, UInt8((group & 1) * 4))
    for i in 0..<32 { codes[group * 32 + i] = from[i] &>> shift & 15 }
  }
}

private func readQ5_K(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 256
  readScalesAndMinima(block, band, index)
  for group in 0..<8 {
    let (high, low) = (block + 16, block + 48 + (group >> 1) * 32)
    let (shift, bit) = (UInt8((group & 1) * 4), UInt8(group))
    for i in 0..<32 {
      codes[group * 32 + i] = low[i] &>> shift & 15 | (high[i] &>> bit & 1) &<< 4
    }
  }
}

private func readQ3_K(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 256
  band.scales[index] = halfPrecision(block + 108)
  for group in 0..<16 {
    let scale = Int8(sixBitScale(block + 96, group) &- 32)
    band.unitScales[index * 16 + group] = UInt8(bitPattern: scale)
    let (low, high) = (block + 32 + codeOffset(group), block + (group & 1) * 16)
    let (shift, bit) = (UInt8(group & 6), UInt8(group >> 1))
    for i in 0..<16 {
      codes[group * 16 + i] = low[i] &>> shift & 3 | (high[i] &>> bit & 1) &<< 2
    }
  }
}

private func readQ6_K(
  _ block: UnsafePointer<UInt8>,
  _ band: InterleavedMatrix.Band,
  _ index: Int
) {
  guard let start = band.codes.baseAddress else { return }
  let codes = start + index * 256
  band.scales[index] = halfPrecision(block + 208)
  for group in 0..<16 {
    band.unitScales[index * 16 + group] = block[192 + group]
    let (half, row, side) = (group >> 3, group >> 1 & 3, group & 1)
    let low = block + half * 64 + (row & 1) * 32 + side * 16
    let high = block + 128 + half * 32 + side * 16
    let (lowShift, highShift) = (UInt8((row >> 1) * 4), UInt8(row * 2))
    for i in 0..<16 {
      codes[group * 16 + i] = low[i] &>> lowShift & 15 | (high[i] &>> highShift & 3) &<< 4
    }
  }
}
