public import Tensor

/// The singular value decomposition A = U·diag(S)·Vᵀ of a matrix, or of each in a stack.
///
/// U has orthonormal columns, Vᵀ orthonormal rows, S is descending and not negative. Vectors are
/// unique up to their sign, and up to a rotation where singular values repeat.
///
/// - Shapes: for A [… × m × n] and k = min(m, n): U [… × m × k], S [… × k], Vᵀ [… × k × n]; when
///   it is full, U [… × m × m] and Vᵀ [… × n × n].
public struct SingularValueDecomposition<Element: LinearAlgebraScalar>: Sendable {
  /// U, whose columns are the left singular vectors.
  public let left: Tensor<Element>
  /// S, descending.
  public let singularValues: Tensor<Element>
  /// Vᵀ, whose rows are the right singular vectors.
  public let rightTransposed: Tensor<Element>
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The singular value decomposition of each matrix in the last two axes.
  ///
  ///     let svd = try a.singularValueDecomposition()
  ///     let best = svd.truncated(to: 8).reconstructed()   // the closest matrix of rank 8
  ///
  /// With `full`, U and V are square, completed by bases of what is left. Computed in Double for both
  /// element types: singular values near zero are what thresholds decide on.
  ///
  /// - Shapes: self [… × m × n]; see `SingularValueDecomposition`.
  /// - Throws: `LinearAlgebraError.notFinite`, and `.notConverged`, which has no known input.
  /// - Source: LAPACK DGESDD; DGESVD where that does not converge.
  /// - Complexity: O(m · n · min(m, n)).
  public func singularValueDecomposition(
    full: Bool = false
  ) throws(LinearAlgebraError) -> SingularValueDecomposition<Element> {
    let loops = Element.lapack.loops
    let name = "singular value decomposition"
    let parts = try SingularValues.parts(of: loops.widen(self), full ? .full : .thin, name)
    guard let left = parts.left, let right = parts.right else { fatalError("\(name): no vectors") }
    return SingularValueDecomposition(
      left: loops.narrow(left),
      singularValues: loops.narrow(parts.values),
      rightTransposed: loops.narrow(right)
    )
  }

  /// The singular values of each matrix in the last two axes, descending.
  ///
  /// Computed in Double; about a fourth of the work of the whole decomposition.
  ///
  /// - Shapes: self [… × m × n], result [… × min(m, n)].
  /// - Throws: as `singularValueDecomposition(full:)`.
  public func singularValues() throws(LinearAlgebraError) -> Tensor {
    let loops = Element.lapack.loops
    return loops.narrow(
      try SingularValues.parts(of: loops.widen(self), .none, "singular values").values
    )
  }
}

extension SingularValueDecomposition {
  /// The product U·diag(S)·Vᵀ of each decomposition.
  ///
  /// - Shapes: result [… × m × n].
  public func reconstructed() -> Tensor<Element> {
    let loops = Element.lapack.loops
    return loops.narrow(widened("reconstruct").product { value, _ in value })
  }

  /// The decomposition of the closest matrix of rank at most `rank`: the largest singular values
  /// and their vectors.
  ///
  /// - Shapes: U [… × m × rank], S [… × rank], Vᵀ [… × rank × n].
  public func truncated(to rank: Int) -> SingularValueDecomposition {
    let stack = MatrixStack(left.shape, "truncate")
    let extent = singularValues.shape[-1]
    expect(
      rank >= 0 && rank <= extent,
      "truncate: rank \(rank), \(singularValues.shape) holds \(extent) singular values"
    )
    let columns = rightTransposed.shape[-1]
    return SingularValueDecomposition(
      left: left.leadingColumns(rank, of: stack.columns).reshaped(
        to: stack.result(stack.rows, rank)
      ),
      singularValues: singularValues.leadingColumns(rank, of: extent).reshaped(
        to: stack.result(rank)
      ),
      rightTransposed: rightTransposed.leadingColumns(
        rank * columns,
        of: rightTransposed.shape[-2] * columns
      ).reshaped(to: stack.result(rank, columns))
    )
  }

  /// The polar factor of each matrix: Σ u·vᵀ over the singular values above `threshold`.
  ///
  /// The subgradient of the nuclear norm with the smallest Frobenius norm. The threshold is absolute,
  /// by default that of the official code of Orthogonal Low-rank Embedding.
  ///
  /// - Shapes: result [… × m × n].
  /// - Source: Lezama et al., CVPR 2018.
  public func polarFactor(threshold: Double = 1e-6) -> Tensor<Element> {
    Element.lapack.loops.narrow(
      widened("polar factor").product { value, _ in value > threshold ? 1 : 0 }
    )
  }

  private func widened(_ operation: String) -> SingularValues.Parts {
    let loops = Element.lapack.loops
    let batch = left.shape.extents.dropLast(2)
    let shape = Shape(batch + [left.shape[-2], rightTransposed.shape[-1]])
    return SingularValues.Parts(
      stack: MatrixStack(shape, operation),
      values: loops.widen(singularValues),
      left: loops.widen(left),
      right: loops.widen(rightTransposed)
    )
  }
}

extension Tensor {
  /// The first `count` elements of each run of `extent` elements, as a matrix.
  fileprivate func leadingColumns(_ count: Int, of extent: Int) -> Tensor {
    guard extent > 0 else { return self }
    let rows = self.count / extent
    return withUnsafeElements { source in
      Tensor(uninitialized: [rows, count]) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        for row in 0..<rows { (to + row * count).update(from: from + row * extent, count: count) }
      }
    }
  }
}
