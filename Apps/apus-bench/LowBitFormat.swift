import Tensor

/// A way to hold low-bit weights, and ggml's of as many bits.
struct LowBitFormat {
  let name: String
  let codes: InterleavedMatrix.Codes
  let scales: InterleavedMatrix.Scales
  let groupSize: Int
  /// The type of ggml beside it.
  let peer: String

  static let w4 = LowBitFormat(
    name: "W4",
    codes: .bits(4),
    scales: .halfZeros,
    groupSize: 128,
    peer: "Q4_K"
  )
  /// One scale a row: the paper's four bits per channel.
  static let w4Rows = LowBitFormat(
    name: "W4 by rows",
    codes: .bits(4),
    scales: .halfZeros,
    groupSize: 1 << 20,
    peer: "Q4_0"
  )
  static let w3 = LowBitFormat(
    name: "W3",
    codes: .bits(3),
    scales: .halfZeros,
    groupSize: 128,
    peer: "Q3_K"
  )
  static let w2 = LowBitFormat(
    name: "W2",
    codes: .bits(2),
    scales: .halfZeros,
    groupSize: 128,
    peer: "Q2_K"
  )
  static let threePlanes = LowBitFormat(
    name: "3 planes",
    codes: .signs(planes: 3),
    scales: .halfOffsets,
    groupSize: 128,
    peer: "Q3_K"
  )

  static let all = [
    LowBitFormat(
      name: "Q4_0",
      codes: .bits(4),
      scales: .half(zero: 8),
      groupSize: 32,
      peer: "Q4_0"
    ),
    LowBitFormat(name: "Q4_K", codes: .bits(4), scales: .q4K, groupSize: 256, peer: "Q4_K"),
    w4, w3, w2, threePlanes,
    LowBitFormat(name: "Q6_K", codes: .bits(6), scales: .q6K, groupSize: 256, peer: "Q6_K"),
    LowBitFormat(
      name: "Q8_0",
      codes: .bits(8),
      scales: .half(zero: 128),
      groupSize: 32,
      peer: "Q8_0"
    ),
  ]

  /// A matrix of arbitrary codes.
  func matrix(_ shape: Shape) -> InterleavedMatrix {
    let codeCount =
      switch codes {
      case .bits(let bits): 1 << bits
      case .signs(let planes): 1 << planes
      }
    let mask = UInt8(codeCount - 1)
    return InterleavedMatrix(
      shape: shape,
      codes: codes,
      scales: scales,
      groupSize: groupSize
    ) { rows, band in
      var state = UInt32(truncatingIfNeeded: rows.lowerBound)
      for index in band.codes.indices {
        state = state &* 1_664_525 &+ 1_013_904_223
        band.codes[index] = UInt8(truncatingIfNeeded: state >> 24) & mask
      }
      band.scales.update(repeating: 0.015625)
      band.offsets.update(repeating: Float(codeCount / 2))
      band.unitScales.update(repeating: 9)
      band.unitOffsets.update(repeating: 5)
    }
  }
}
