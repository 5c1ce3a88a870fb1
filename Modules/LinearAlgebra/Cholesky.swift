public import Tensor

/// The half of a square matrix that holds its elements; the other half is zero.
public enum Triangle: String, Hashable, Sendable, Codable, CaseIterable {
  /// On and below the diagonal.
  case lower
  /// On and above the diagonal.
  case upper

  /// The name of this half of a row-major matrix in column-major order.
  var code: CChar { self == .lower ? .upper : .lower }
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The Cholesky factor of each symmetric positive definite matrix in the last two axes.
  ///
  ///     A = L·Lᵀ  (.lower)        A = Uᵀ·U  (.upper)
  ///
  /// Only the given triangle is read; the other half of the result is zero.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` with the order of the first leading minor
  ///   that is not positive, or `.notFinite`.
  /// - Source: LAPACK xPOTRF.
  /// - Complexity: n³ / 3.
  public func cholesky(_ triangle: Triangle = .lower) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "cholesky")
    let n = stack.rows
    let result = FreshTensor<Element>(shape)
    let lapack = Element.lapack
    try stack.forEach(self, operations: n * n * n / 3) { source, position in
      let factor = result.elements + position * stack.size
      return lapack.factor(source, n, triangle, into: factor)
    }
    return result.tensor
  }

  /// The inverse of each symmetric positive definite matrix in the last two axes.
  ///
  /// Half the work of `inverse()`, and exactly symmetric. Only the lower triangle is read.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: as `cholesky(_:)`.
  /// - Source: LAPACK xPOTRF and xPOTRI.
  public func positiveDefiniteInverse() throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "positive definite inverse")
    let n = stack.rows
    let result = FreshTensor<Element>(shape)
    let lapack = Element.lapack
    try stack.forEach(self, operations: n * n * n) { source, position in
      let inverse = result.elements + position * stack.size
      if let problem = lapack.factor(source, n, .lower, into: inverse) { return problem }
      let info = lapack.potri(Triangle.lower.code, Int32(n), inverse, Int32(Swift.max(n, 1)))
      lapack.loops.mirrorLower(inverse, n)
      return problem(info) { .singular(pivot: $0 - 1, in: $1) }
    }
    return result.tensor
  }
}

extension LAPACKRoutines {
  /// Writes the Cholesky factor of one matrix, and zeros beside it.
  func factor(
    _ source: UnsafePointer<Scalar>,
    _ extent: Int,
    _ triangle: Triangle,
    into target: UnsafeMutablePointer<Scalar>
  ) -> MatrixProblem? {
    let part: MatrixPart = triangle == .lower ? .lower : .upper
    if let problem = nonFinite(source, rows: extent, columns: extent, part: part) {
      return problem
    }
    for row in 0..<extent {
      let kept = triangle == .lower ? 0..<row + 1 : row..<extent
      let cleared = triangle == .lower ? row + 1..<extent : 0..<row
      let start = row * extent
      (target + start + kept.lowerBound).update(
        from: source + start + kept.lowerBound,
        count: kept.count
      )
      (target + start + cleared.lowerBound).update(repeating: .zero, count: cleared.count)
    }
    let info = potrf(triangle.code, Int32(extent), target, Int32(max(extent, 1)))
    return problem(info) { .notPositiveDefinite(minor: $0, in: $1) }
  }
}
