// Blocks of 256 values in groups of 16 or 32, each group with its own small integer scale.
// d: the scale of the scales; dmin: the scale of the minima; q: the code.

/// Q2_K: 16 bytes of scales, 64 of codes, d, dmin; (d·(s & 15))·q − dmin·(s >> 4).
///
/// Each half of 128 values takes 32 bytes of codes: row r of 32 values is bits 2r, 2r + 1.
func expandQ2_K(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 84
    let d = halfPrecision(block + 80)
    let dmin = halfPrecision(block + 82)
    for group in 0..<16 {
      let s = block[group]
      let scale = d * Float(Int32(s & 15))
      let minimum = dmin * Float(Int32(s >> 4))
      let codes = block + 16 + codeOffset(group)
      let shift = UInt8(truncatingIfNeeded: group & 6)
      let y = out + index * 256 + group * 16
      for i in 0..<16 { y[i] = scale * Float(Int32(codes[i] &>> shift & 3)) - minimum }
    }
  }
}

/// Q3_K: 32 bytes of third bits, 64 of codes, 12 of scales, d; (d·s)·(q − 4·(1 − third bit)).
///
/// Codes lie as in Q2_K; bit r of byte i of the third bits belongs to value i of row r.
func expandQ3_K(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 110
    let d = halfPrecision(block + 108)
    for group in 0..<16 {
      let scale = d * Float(sixBitScale(block + 96, group) &- 32)
      let codes = block + 32 + codeOffset(group)
      let masks = block + (group & 1) * 16
      let shift = UInt8(truncatingIfNeeded: group & 6)
      let row = UInt8(truncatingIfNeeded: group >> 1)
      let y = out + index * 256 + group * 16
      for i in 0..<16 {
        let q = codes[i] &>> shift & 3 | (masks[i] &>> row & 1) &<< 2
        y[i] = scale * Float(Int32(q) &- 4)
      }
    }
  }
}

/// Q4_K: d, dmin, 12 bytes of scales and minima, 128 of codes; (d·s)·q − dmin·m.
///
/// Each 32 bytes hold two groups of 32 values: low nibbles, then high nibbles.
func expandQ4_K(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 144
    let d = halfPrecision(block)
    let dmin = halfPrecision(block + 2)
    for group in 0..<8 {
      let (s, m) = scaleAndMinimum(block + 4, group)
      let scale = d * Float(s)
      let minimum = dmin * Float(m)
      let codes = block + 16 + (group >> 1) * 32
      let shift = UInt8(truncatingIfNeeded: (group & 1) * 4)
      let y = out + index * 256 + group * 32
      for i in 0..<32 { y[i] = scale * Float(Int32(codes[i] &>> shift & 15)) - minimum }
    }
  }
}

/// Q5_K: as Q4_K with 32 bytes of fifth bits before the codes; bit g of byte i is group g, value i.
func expandQ5_K(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 176
    let d = halfPrecision(block)
    let dmin = halfPrecision(block + 2)
    for group in 0..<8 {
      let (s, m) = scaleAndMinimum(block + 4, group)
      let scale = d * Float(s)
      let minimum = dmin * Float(m)
      let high = block + 16
      let codes = block + 48 + (group >> 1) * 32
      let shift = UInt8(truncatingIfNeeded: (group & 1) * 4)
      let bit = UInt8(truncatingIfNeeded: group)
      let y = out + index * 256 + group * 32
      for i in 0..<32 {
        let q = codes[i] &>> shift & 15 | (high[i] &>> bit & 1) &<< 4
        y[i] = scale * Float(Int32(q)) - minimum
      }
    }
  }
}

/// Q6_K: 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, d; (d·s)·(q − 32).
///
/// In each half of 128 values, row r of 32 takes nibble r >> 1 of bytes 32·(r & 1) and on, and bits
/// 2r, 2r + 1 of the half's 32 bytes of pairs.
func expandQ6_K(
  _ blocks: UnsafePointer<UInt8>,
  _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  for index in 0..<count {
    let block = blocks + index * 210
    let d = halfPrecision(block + 208)
    for group in 0..<16 {
      let scale = d * Float(Int32(Int8(bitPattern: block[192 + group])))
      let (half, row, side) = (group >> 3, group >> 1 & 3, group & 1)
      let low = block + half * 64 + (row & 1) * 32 + side * 16
      let high = block + 128 + half * 32 + side * 16
      let lowShift = UInt8(truncatingIfNeeded: (row >> 1) * 4)
      let highShift = UInt8(truncatingIfNeeded: row * 2)
      let y = out + index * 256 + group * 16
      for i in 0..<16 {
        let q = low[i] &>> lowShift & 15 | (high[i] &>> highShift & 3) &<< 4
        y[i] = scale * Float(Int32(q) &- 32)
      }
    }
  }
}

/// Where the codes of a group of 16 values begin in Q2_K and Q3_K.
@inline(__always)
func codeOffset(_ group: Int) -> Int { (group >> 3) * 32 + (group & 1) * 16 }

/// Scale `group` of Q3_K: four low bits in bytes 0–7, two high bits in bytes 8–11.
@inline(__always)
func sixBitScale(_ scales: UnsafePointer<UInt8>, _ group: Int) -> Int32 {
  let low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4
  let high = scales[8 + group & 3] &>> UInt8(truncatingIfNeeded: (group >> 2) * 2) & 3
  return Int32(low | high << 4)
}

/// Scale and minimum `group` of Q4_K and Q5_K, six bits each.
@inline(__always)
func scaleAndMinimum(_ s: UnsafePointer<UInt8>, _ group: Int) -> (Int32, Int32) {
  if group < 4 { return (Int32(s[group] & 63), Int32(s[group + 4] & 63)) }
  let scale = s[group + 4] & 15 | (s[group - 4] >> 6) << 4
  let minimum = s[group + 4] >> 4 | (s[group] >> 6) << 4
  return (Int32(scale), Int32(minimum))
}
