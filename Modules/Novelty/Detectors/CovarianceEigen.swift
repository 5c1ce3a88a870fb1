import LinearAlgebra
import Tensor

/// The directions in which rows spread, by the eigenvalues of their covariance.
///
/// Rows are taken in blocks, so that memory is O(D²) whatever their number.
struct CovarianceEigen {
  /// The widest rows, whose covariance is 4096².
  static let mostColumns = 4_096

  /// The mean of each row's class; [C × D].
  let means: Tensor<Float>
  /// The eigenvalues, descending.
  let variances: [Double]
  /// The eigenvectors, one a row [D × D].
  let directions: Tensor<Float>

  /// The spread of rows around the means of their classes.
  init(of rows: Tensor<Float>, _ groups: LabelGroups, _ operation: String) throws(NoveltyError) {
    let (count, width) = (rows.shape[0], rows.shape[1])
    guard width <= Self.mostColumns else {
      throw .tooWide(operation: operation, width: width, most: Self.mostColumns)
    }
    var classes = [Int32](repeating: 0, count: count)
    for (index, members) in groups.rows.enumerated() {
      for row in members { classes[row] = Int32(index) }
    }
    means = rows.segmentMean(Tensor<Int32>(classes), count: groups.labels.count)
    var sums = Tensor<Double>.zeros([width, width])
    for start in stride(from: 0, to: count, by: 1024) {
      let range = start..<min(start + 1024, count)
      let centred = rows[range] - means.rows(classes[range])
      let products = centred.matmul(centred, transposingSelf: true)
      sums += products.converted(to: Double.self)
    }
    let scale = 1 / Double(max(count - groups.labels.count, 1))
    let eigen = try factoring { () throws(LinearAlgebraError) in
      try (sums * scale).symmetricEigen()
    }
    variances = eigen.values.elements.reversed().map { max($0, 0) }
    directions = eigen.vectors.transposed().flipped(0).converted(to: Float.self)
  }
}
