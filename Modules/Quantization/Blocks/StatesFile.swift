import Checkpoints
import Tensor

/// The states of all samples between two blocks, in a file that is mapped.
enum StatesFile {
  private static let name = "states"

  /// Writes states batch by batch; the file appears when all are there.
  static func write(
    to path: String,
    count: Int,
    batchSize: Int,
    make: (_ samples: Range<Int>) throws -> Tensor<Float>
  ) throws {
    var writer: SafetensorsWriter?
    for start in stride(from: 0, to: count, by: batchSize) {
      let states = try make(start..<min(start + batchSize, count))
      let file =
        try writer
        ?? SafetensorsWriter(
          path: path,
          tensors: [
            SafetensorsDeclaration(
              name: name,
              type: SafetensorsType(.float32),
              shape: Shape([count] + states.shape.extents.dropFirst())
            )
          ]
        )
      writer = file
      try file.write(rows: states, from: start, named: name)
    }
    try writer?.finish()
  }

  /// The states in a file; a view of it.
  static func read(_ path: String) throws -> Tensor<Float> {
    try Checkpoint(path: path).floats(name)
  }

  /// The means of (a − b)² and of b², a sample at a time.
  static func meanSquares(
    _ a: Tensor<Float>,
    _ b: Tensor<Float>
  ) -> (difference: Double, target: Double) {
    var sums = (difference: 0.0, target: 0.0)
    for sample in 0..<b.shape[0] {
      sums.difference += Double((a[sample] - b[sample]).square().mean())
      sums.target += Double(b[sample].square().mean())
    }
    let count = Double(max(b.shape[0], 1))
    return (sums.difference / count, sums.target / count)
  }
}
