public import Tensor

extension Tensor where Element: LinearAlgebraScalar {
  /// The Moore-Penrose pseudo-inverse of each matrix in the last two axes.
  ///
  /// Singular values up to `relativeTolerance` times the largest count as zero; nil stands for
  /// max(m, n) times the precision of the elements.
  ///
  /// - Shapes: self [… × m × n], result [… × n × m].
  /// - Throws: as `singularValueDecomposition(full:)`.
  /// - Source: V·S⁺·Uᵀ, LAPACK DGESDD, in Double.
  public func pseudoInverse(
    relativeTolerance: Double? = nil
  ) throws(LinearAlgebraError) -> Tensor {
    let loops = Element.lapack.loops
    let parts = try SingularValues.parts(of: loops.widen(self), .thin, "pseudo-inverse")
    let relative = relativeTolerance ?? Element.defaultTolerance(parts.stack)
    return loops.narrow(
      parts.transposedProduct { value, largest in value > relative * largest ? 1 / value : 0 }
    )
  }

  /// The polar factor of each matrix: Σ u·vᵀ over the singular values above `threshold`.
  ///
  /// The subgradient of the nuclear norm with the smallest Frobenius norm; for an invertible square
  /// matrix its closest orthogonal matrix. The threshold is absolute, by default that of the official
  /// code of Orthogonal Low-rank Embedding.
  ///
  /// - Shapes: self and result [… × m × n].
  /// - Throws: as `singularValueDecomposition(full:)`.
  /// - Source: Lezama et al., CVPR 2018; LAPACK DGESDD, in Double.
  public func polarFactor(threshold: Double = 1e-6) throws(LinearAlgebraError) -> Tensor {
    let loops = Element.lapack.loops
    let parts = try SingularValues.parts(of: loops.widen(self), .thin, "polar factor")
    return loops.narrow(parts.product { value, _ in value > threshold ? 1 : 0 })
  }

  /// The symmetric positive semidefinite square root of each such matrix in the last two axes.
  ///
  /// Only the lower triangle is read. Eigenvalues that are negative within rounding, n times the
  /// precision of the elements times the largest, count as zero.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: `LinearAlgebraError.notPositiveSemidefinite` with the smallest eigenvalue,
  ///   `.notFinite`, or `.notConverged`, which has no known input.
  /// - Source: V·√w·Vᵀ, LAPACK DSYEVD, in Double.
  public func matrixSquareRoot() throws(LinearAlgebraError) -> Tensor {
    let loops = Element.lapack.loops
    let stack = MatrixStack(square: shape, "matrix square root")
    let precision = Element.defaultTolerance(stack)
    let root = try loops.widen(self).squareRoot(stack, precision: precision)
    return loops.narrow(root)
  }
}

extension Tensor<Double> {
  fileprivate func squareRoot(
    _ stack: MatrixStack,
    precision: Double
  ) throws(LinearAlgebraError) -> Tensor {
    let n = stack.rows
    let (values, vectors) = try symmetricEigen(stack.operation)
    let result = FreshTensor<Double>(shape)
    let scaled = FreshTensor(copying: vectors)
    try values.withUnsafeElements { values throws(LinearAlgebraError) in
      try stack.forEach(operations: 2 * n * n * n) { position in
        let rows = scaled.elements + position * n * n
        guard n > 0 else { return nil }
        let (smallest, largest) = (values[position * n], values[position * n + n - 1])
        guard smallest >= -precision * Swift.max(largest, 0) else {
          return { .notPositiveSemidefinite(eigenvalue: smallest, in: $0) }
        }
        for row in 0..<n {
          let weight = Swift.max(values[position * n + row], 0).squareRoot().squareRoot()
          for column in 0..<n { rows[row * n + column] *= weight }
        }
        let (root, half) = (result.elements + position * n * n, RowMajor(rows, stride: n))
        RowMajor.multiply(half.transposed, half, (n, n, n), into: root)
        Double.lapack.loops.mirrorLower(root, n)
        return nil
      }
    }
    return result.tensor
  }
}
