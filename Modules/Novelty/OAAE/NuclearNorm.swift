import LinearAlgebra
import Tensor

/// The nuclear norm of a matrix and the smallest of its subgradients.
struct NuclearNorm {
  /// ‖A‖_*.
  let norm: Double
  /// P(A), of A's shape.
  let polar: Tensor<Double>
}

extension NuclearNorm {
  /// The norms and polar factors of matrices of one width.
  ///
  /// Matrices of similar height are decomposed together, on all threads: rows of zeros that fill
  /// them up change neither singular values nor the polar factor.
  static func of(
    _ matrices: [Tensor<Double>],
    threshold: Double
  ) throws(NoveltyError) -> [NuclearNorm] {
    var results = [NuclearNorm?](repeating: nil, count: matrices.count)
    var buckets: [Int: [Int]] = [:]
    for (index, matrix) in matrices.enumerated() {
      buckets[stackHeight(matrix.shape[0], matrices.count), default: []].append(index)
    }
    for (height, members) in buckets.sorted(by: { $0.key < $1.key }) {
      let stack = stacked(members.map { matrices[$0] }, height: height)
      let parts = try factoring { () throws(LinearAlgebraError) in
        try stack.singularValueDecomposition()
      }
      let polar = parts.polarFactor(threshold: threshold)
      for (place, member) in members.enumerated() {
        results[member] = NuclearNorm(
          norm: parts.singularValues[place].sum(),
          polar: polar[place][0..<matrices[member].shape[0]]
        )
      }
    }
    return results.compactMap { $0 }
  }

  /// The height that a matrix is filled up to: its own when it is alone, else a power of two.
  private static func stackHeight(_ rows: Int, _ count: Int) -> Int {
    guard count > 1, rows > 1 else { return rows }
    return 1 << (Int.bitWidth - (rows - 1).leadingZeroBitCount)
  }

  private static func stacked(_ matrices: [Tensor<Double>], height: Int) -> Tensor<Double> {
    let width = matrices.first?.shape[1] ?? 0
    return Tensor(uninitialized: [matrices.count, height, width]) { target in
      target.update(repeating: 0)
      guard let start = target.baseAddress else { return }
      for (place, matrix) in matrices.enumerated() {
        matrix.withUnsafeElements { source in
          guard let from = source.baseAddress else { return }
          (start + place * height * width).update(from: from, count: source.count)
        }
      }
    }
  }
}
