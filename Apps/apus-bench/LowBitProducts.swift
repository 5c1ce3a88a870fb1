import Checkpoints
import Tensor

/// Products of low-bit matrices, one row and many rows of activations, against ggml's of as many bits.
struct LowBitProducts {
  let run: BenchRun

  /// The extents of the matrix: a layer of a model of seven billion weights.
  private static let shape: Shape = [4096, 4096]
  /// What no cache holds: copies take turns when one row is multiplied.
  private static let coldBytes = 128 << 20
  private static let promptRows = 256

  private struct Format {
    let name: String
    let codes: InterleavedMatrix.Codes
    let scales: InterleavedMatrix.Scales
    let groupSize: Int
    /// The type of ggml beside it.
    let peer: String
  }

  private static let formats = [
    Format(name: "Q4_0", codes: .bits(4), scales: .half(zero: 8), groupSize: 32, peer: "Q4_0"),
    Format(name: "Q4_K", codes: .bits(4), scales: .q4K, groupSize: 256, peer: "Q4_K"),
    Format(name: "W4", codes: .bits(4), scales: .halfZeros, groupSize: 128, peer: "Q4_K"),
    Format(name: "W3", codes: .bits(3), scales: .halfZeros, groupSize: 128, peer: "Q3_K"),
    Format(name: "W2", codes: .bits(2), scales: .halfZeros, groupSize: 128, peer: "Q2_K"),
    Format(
      name: "3 planes",
      codes: .signs(planes: 3),
      scales: .halfOffsets,
      groupSize: 128,
      peer: "Q3_K"
    ),
    Format(name: "Q6_K", codes: .bits(6), scales: .q6K, groupSize: 256, peer: "Q6_K"),
    Format(name: "Q8_0", codes: .bits(8), scales: .half(zero: 128), groupSize: 32, peer: "Q8_0"),
  ]

  func measure() throws {
    for (rows, title) in [(1, "products, one row"), (Self.promptRows, "products, 256 rows")] {
      guard run.startGroup(title) else { continue }
      for format in Self.formats { try measure(format, rows: rows) }
    }
  }

  private func measure(_ format: Format, rows: Int) throws {
    let first = matrix(format)
    let copies = rows == 1 ? Self.coldBytes / first.byteCount + 1 : 1
    let matrices = (0..<copies).map { $0 == 0 ? first : matrix(format) }
    var generator = Philox(seed: 1)
    let x = Tensor<Float>.normal([rows, Self.shape[1]], using: &generator)
    let operations = Double(2 * rows * Self.shape.count)
    var turn = 0
    try run.measure(
      BenchCase(
        name: "\(format.name) · \(format.peer)",
        metric: rows == 1 ? .microseconds : .flops(operations),
        bound: rows == 1 ? .memory(Double(first.byteCount)) : .unknown,
        peer: [
          "kind": "ggml_product", "type": .string(format.peer),
          "rows": .integer(Int64(Self.shape[0])), "inputs": .integer(Int64(Self.shape[1])),
          "count": .integer(Int64(rows)), "copies": .integer(Int64(copies)),
        ]
      ) {
        keep(matrices[turn].product(with: x, tolerance: 0.02))
        turn = (turn + 1) % copies
      }
    )
  }

  /// A matrix of arbitrary codes.
  private func matrix(_ format: Format) -> InterleavedMatrix {
    let codeCount =
      switch format.codes {
      case .bits(let bits): 1 << bits
      case .signs(let planes): 1 << planes
      }
    let mask = UInt8(codeCount - 1)
    return InterleavedMatrix(
      shape: Self.shape,
      codes: format.codes,
      scales: format.scales,
      groupSize: format.groupSize
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
