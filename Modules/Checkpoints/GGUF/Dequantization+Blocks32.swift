// Blocks of 32 values: value j is in the low nibble of byte j, value j + 16 in its high nibble.
// d: the scale; m: the minimum; q: the code.

/// Q4_0: d, 16 bytes of nibbles; d·(q − 8).
func expandQ4_0(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 18
    let y = out + index * 32
    let d = halfPrecision(block)
    for j in 0..<16 {
      let q = block[2 + j]
      y[j] = d * Float(Int32(q & 15) &- 8)
      y[j + 16] = d * Float(Int32(q >> 4) &- 8)
    }
  }
}

/// Q4_1: d, m, 16 bytes of nibbles; d·q + m.
func expandQ4_1(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 20
    let y = out + index * 32
    let d = halfPrecision(block)
    let m = halfPrecision(block + 2)
    for j in 0..<16 {
      let q = block[4 + j]
      y[j] = d * Float(Int32(q & 15)) + m
      y[j + 16] = d * Float(Int32(q >> 4)) + m
    }
  }
}

/// Q5_0: d, 4 bytes of fifth bits, 16 bytes of nibbles; d·(q − 16).
func expandQ5_0(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 22
    let y = out + index * 32
    let d = halfPrecision(block)
    let high = fifthBits(block + 2)
    for j in 0..<16 {
      let q = UInt32(block[6 + j])
      let shift = UInt32(truncatingIfNeeded: j)
      let low = q & 15 | (high &>> shift & 1) &<< 4
      let top = q &>> 4 | (high &>> (shift &+ 16) & 1) &<< 4
      y[j] = d * Float(Int32(bitPattern: low) &- 16)
      y[j + 16] = d * Float(Int32(bitPattern: top) &- 16)
    }
  }
}

/// Q5_1: d, m, 4 bytes of fifth bits, 16 bytes of nibbles; d·q + m.
func expandQ5_1(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 24
    let y = out + index * 32
    let d = halfPrecision(block)
    let m = halfPrecision(block + 2)
    let high = fifthBits(block + 4)
    for j in 0..<16 {
      let q = UInt32(block[8 + j])
      let shift = UInt32(truncatingIfNeeded: j)
      let low = q & 15 | (high &>> shift & 1) &<< 4
      let top = q &>> 4 | (high &>> (shift &+ 16) & 1) &<< 4
      y[j] = d * Float(Int32(bitPattern: low)) + m
      y[j + 16] = d * Float(Int32(bitPattern: top)) + m
    }
  }
}

/// Q8_0: d, 32 signed bytes; d·q.
func expandQ8_0(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 34
    let y = out + index * 32
    let d = halfPrecision(block)
    for j in 0..<32 { y[j] = d * Float(Int32(Int8(bitPattern: block[2 + j]))) }
  }
}

@inline(__always)
private func fifthBits(_ pointer: UnsafePointer<UInt8>) -> UInt32 {
  UInt32(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self))
}
