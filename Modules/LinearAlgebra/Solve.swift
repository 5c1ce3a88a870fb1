public import Tensor

extension Tensor where Element: LinearAlgebraScalar {
  /// The solution X of A·X = B for each square matrix A in the last two axes.
  ///
  /// - Shapes: self [… × n × n], `right` [… × n × p] or a vector [… × n] for each matrix; the
  ///   result has the shape of `right`.
  /// - Throws: `LinearAlgebraError.singular` when a pivot is exactly zero, or `.notFinite`. A matrix
  ///   that is singular but for rounding gives large, meaningless numbers: see `conditionNumber()`.
  /// - Source: LAPACK xGETRF, BLAS xTRSM.
  /// - Complexity: 2n³ / 3 + 2n²p.
  public func solve(_ right: Tensor) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "solve")
    let side = RightHandSide(right.shape, for: stack)
    let (n, p) = (stack.rows, side.columns)
    let result = FreshTensor<Element>(right.shape)
    let lapack = Element.lapack
    var operations: Int { 2 * n * n * (n / 3 + p) }
    try stack.forEach(self, right, side, operations: operations) { source, right, position in
      let solution = result.elements + position * n * p
      solution.update(from: right, count: n * p)
      return lapack.withLU(source, n) { factors, pivots, info in
        if info > 0 { return problem(info) { .singular(pivot: $0 - 1, in: $1) } }
        // Aᵀ = P·L·U, so Xᵀ = Bᵀ·U⁻¹·L⁻¹·Pᵀ.
        let upper = TriangularFactor(elements: factors, extent: n, stride: n, triangle: .upper)
        upper.divide(solution, rows: p)
        let lower = TriangularFactor(
          elements: factors,
          extent: n,
          stride: n,
          triangle: .lower,
          diagonal: .unitDiagonal
        )
        lower.divide(solution, rows: p)
        for row in (0..<n).reversed() where Int(pivots[row]) - 1 != row {
          lapack.loops.swapRows(solution, row, Int(pivots[row]) - 1, p)
        }
        return nil
      }
    }
    return result.tensor
  }

  /// The solution X of A·X = B for each symmetric positive definite matrix A in the last two axes.
  ///
  /// Half the work of `solve(_:)`. Only the lower triangle of A is read.
  ///
  /// - Shapes: as `solve(_:)`.
  /// - Throws: as `cholesky(_:)`.
  /// - Source: LAPACK xPOTRF, BLAS xTRSM.
  /// - Complexity: n³ / 3 + 2n²p.
  public func solvePositiveDefinite(_ right: Tensor) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "solve positive definite")
    let side = RightHandSide(right.shape, for: stack)
    let (n, p) = (stack.rows, side.columns)
    let result = FreshTensor<Element>(right.shape)
    let lapack = Element.lapack
    var operations: Int { n * n * (n / 3 + 2 * p) }
    try stack.forEach(self, right, side, operations: operations) { source, right, position in
      let solution = result.elements + position * n * p
      solution.update(from: right, count: n * p)
      return withScratch(n * n, of: Element.self) { factor in
        if let problem = lapack.factor(source, n, .lower, into: factor) { return problem }
        // A = Uᵀ·U with LAPACK's U, so Xᵀ = Bᵀ·U⁻¹·U⁻ᵀ.
        let upper = TriangularFactor(elements: factor, extent: n, stride: n, triangle: .upper)
        upper.divide(solution, rows: p)
        upper.divide(solution, rows: p, transposed: true)
        return nil
      }
    }
    return result.tensor
  }

  /// The solution X of op(T)·X = B for each triangular matrix T in the last two axes.
  ///
  ///     let y = try factor.solveTriangular(b, .lower)                     // L·y = b
  ///     let x = try factor.solveTriangular(y, .lower, transposed: true)   // Lᵀ·x = y
  ///
  /// Only the given triangle of T is read; the other may hold anything. op(T) is Tᵀ where it is
  /// `transposed`; with `unitDiagonal` the diagonal counts as ones and is not read either.
  ///
  /// - Shapes: as `solve(_:)`.
  /// - Throws: `LinearAlgebraError.singular` when an element of the diagonal is zero, or
  ///   `.notFinite`.
  /// - Source: BLAS xTRSM.
  /// - Complexity: n²p.
  public func solveTriangular(
    _ right: Tensor,
    _ triangle: Triangle,
    transposed: Bool = false,
    unitDiagonal: Bool = false
  ) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "solve triangular")
    let side = RightHandSide(right.shape, for: stack)
    let (n, p) = (stack.rows, side.columns)
    let result = FreshTensor<Element>(right.shape)
    let lapack = Element.lapack
    let part: MatrixPart = triangle == .lower ? .lower : .upper
    try stack.forEach(self, right, side, operations: n * n * p) { source, right, position in
      if let problem = lapack.nonFinite(source, rows: n, columns: n, part: part) { return problem }
      if !unitDiagonal, let pivot = (0..<n).first(where: { source[$0 * n + $0] == 0 }) {
        return { .singular(pivot: pivot, in: $0) }
      }
      let solution = result.elements + position * n * p
      solution.update(from: right, count: n * p)
      let factor = TriangularFactor(
        elements: source,
        extent: n,
        stride: n,
        triangle: triangle.code,
        diagonal: unitDiagonal ? .unitDiagonal : .none
      )
      factor.divide(solution, rows: p, transposed: transposed)
      return nil
    }
    return result.tensor
  }
}

extension LAPACKRoutines {
  /// Calls `body` with Aᵀ = P·L·U of one row-major matrix, its row exchanges, and the INFO of the
  /// factorization: the first pivot that is exactly zero, counted from 1, or 0.
  func withLU(
    _ source: UnsafePointer<Scalar>,
    _ extent: Int,
    _ body: (UnsafeMutablePointer<Scalar>, UnsafeMutablePointer<Int32>, Int32) -> MatrixProblem?
  ) -> MatrixProblem? {
    if let problem = nonFinite(source, rows: extent, columns: extent) { return problem }
    return withScratch(extent * extent, of: Scalar.self) { factors in
      withScratch(extent, of: Int32.self) { pivots in
        factors.update(from: source, count: extent * extent)
        let n = Int32(extent)
        return body(factors, pivots, getrf(n, n, factors, max(n, 1), pivots))
      }
    }
  }
}
