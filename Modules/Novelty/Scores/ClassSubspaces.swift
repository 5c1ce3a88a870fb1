import LinearAlgebra
import Tensor

/// The directions that the latents of each normal class lie along.
///
///     score(z) = 1 − max_c ‖V_cᵀ z‖ / max(‖z‖, 1e-12)
///
/// V_c are the leading right singular vectors of the class's latents: as many as make 90 % of its
/// nuclear norm, at most three.
///
/// - Shapes: z [N × d], V_c [d × k_c].
struct ClassSubspaces {
  /// The labels of the classes, ascending.
  let labels: [Int32]
  /// How many directions each class has.
  let counts: [Int]
  /// All directions side by side [d × Σ k_c], class after class.
  let directions: Tensor<Float>

  /// The most directions of a class.
  static let most = 3
  /// The share of the nuclear norm that they make.
  static let share = 0.9

  init(labels: [Int32], counts: [Int], directions: Tensor<Float>) {
    self.labels = labels
    self.counts = counts
    self.directions = directions
  }

  init(of latents: Tensor<Float>, _ groups: LabelGroups) throws(NoveltyError) {
    labels = groups.labels
    var (counts, parts): ([Int], [Tensor<Float>]) = ([], [])
    for rows in groups.rows {
      let matrix = latents.rows(rows.map { Int32($0) })
      let svd = try factoring { () throws(LinearAlgebraError) in
        try matrix.singularValueDecomposition()
      }
      let count = min(Self.most, LatentGeometry.rank(of: svd.singularValues, share: Self.share))
      counts.append(count)
      parts.append(svd.rightTransposed[0..<count].transposed())
    }
    self.counts = counts
    directions = .concatenating(parts, axis: 1)
  }

  /// The score of each row, and the index of the nearest class.
  func scores(of latents: Tensor<Float>) -> (scores: [Float], nearest: [Int]) {
    let lengths = latents.rowSquaredNorms()
    var nearest = [Int](repeating: 0, count: lengths.count)
    var scores = [Float](repeating: 1, count: lengths.count)
    let width = directions.shape[1]
    guard width > 0 else { return (scores, nearest) }
    latents.matmul(directions).withUnsafeElements { products in
      for row in lengths.indices {
        var (best, start) = (Float(-1), row * width)
        for (index, count) in counts.enumerated() {
          var sum: Float = 0
          for place in start..<start + count { sum += products[place] * products[place] }
          if sum > best { (best, nearest[row]) = (sum, index) }
          start += count
        }
        let share = max(best, 0).squareRoot() / max(lengths[row].squareRoot(), 1e-12)
        scores[row] = 1 - min(share, 1)
      }
    }
    return (scores, nearest)
  }
}

extension ClassSubspaces {
  /// The parts of a file.
  var state: DetectorState {
    var state = DetectorState()
    state.tensors = ["directions": directions]
    state.integers = ["labels": labels, "counts": counts.map { Int32($0) }]
    return state
  }

  init(_ state: DetectorState, width: Int) throws(NoveltyError) {
    labels = try state.numbers("labels")
    counts = try state.numbers("counts").map { Int($0) }
    guard counts.count == labels.count, counts.allSatisfy({ (0...Self.most).contains($0) }) else {
      throw .content(path: state.path, reason: "\(labels.count) classes, \(counts) directions")
    }
    directions = try state.tensor("directions", shape: [width, counts.reduce(0, +)])
  }
}
