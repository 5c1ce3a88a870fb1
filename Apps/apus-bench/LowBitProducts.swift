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

  func measure() throws {
    for (rows, title) in [(1, "products, one row"), (Self.promptRows, "products, 256 rows")] {
      guard run.startGroup(title) else { continue }
      for format in LowBitFormat.all { try measure(format, rows: rows) }
    }
  }

  private func measure(_ format: LowBitFormat, rows: Int) throws {
    let first = format.matrix(Self.shape)
    let copies = rows == 1 ? Self.coldBytes / first.byteCount + 1 : 1
    let matrices = (0..<copies).map { $0 == 0 ? first : format.matrix(Self.shape) }
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
}
