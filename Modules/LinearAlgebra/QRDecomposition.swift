public import Tensor

/// The QR decomposition A = Q·R of a matrix, or of each in a stack.
///
/// Q has orthonormal columns, R is upper triangular; the elements of its diagonal may have either
/// sign.
///
/// - Shapes: for A [… × m × n] and k = min(m, n): Q [… × m × k], R [… × k × n]; when it is
///   complete, Q [… × m × m] and R [… × m × n].
public struct QRDecomposition<Element: LinearAlgebraScalar>: Sendable {
  /// Q, whose columns are orthonormal.
  public let q: Tensor<Element>
  /// R, upper triangular.
  public let r: Tensor<Element>
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The QR decomposition of each matrix in the last two axes.
  ///
  /// - Shapes: self [… × m × n]; see `QRDecomposition`.
  /// - Parameter complete: whether Q is square.
  /// - Throws: `LinearAlgebraError.notFinite`.
  /// - Source: LAPACK xGELQF and xORGLQ. A row-major A is LAPACK's Aᵀ, and Aᵀ = L·Q′ is A = Q′ᵀ·Lᵀ.
  /// - Complexity: O(m · n · min(m, n)).
  public func qrDecomposition(
    complete: Bool = false
  ) throws(LinearAlgebraError) -> QRDecomposition<Element> {
    let stack = MatrixStack(shape, "QR decomposition")
    let (m, n, k) = (stack.rows, stack.columns, stack.order)
    let width = complete ? m : k
    let q = FreshTensor<Element>(stack.result(m, width))
    let r = FreshTensor<Element>(stack.result(width, n))
    try stack.forEach(self, operations: 4 * m * n * k) { source, position in
      Element.lapack.decompose(
        source,
        stack,
        q: q.elements + position * m * width,
        r: r.elements + position * width * n,
        width: width
      )
    }
    return QRDecomposition(q: q.tensor, r: r.tensor)
  }
}

extension LAPACKRoutines where Scalar: BinaryFloatingPoint {
  /// Decomposes one row-major matrix into Q with `width` columns and R with `width` rows.
  fileprivate func decompose(
    _ source: UnsafePointer<Scalar>,
    _ stack: MatrixStack,
    q: UnsafeMutablePointer<Scalar>,
    r: UnsafeMutablePointer<Scalar>,
    width: Int
  ) -> MatrixProblem? {
    let (m, n, k) = (stack.rows, stack.columns, stack.order)
    if let problem = nonFinite(source, rows: m, columns: n) { return problem }
    return withScratch(stack.size + k, of: Scalar.self) { copy in
      copy.update(from: source, count: stack.size)
      let tau = copy + stack.size
      if let problem = factorLQ(copy, rows: n, columns: m, tau: tau) { return problem }
      r.update(repeating: .zero, count: width * n)
      for row in 0..<k {
        (r + row * n + row).update(from: copy + row * n + row, count: n - row)
      }
      // The reflectors, repacked from rows of n elements (columns of LAPACK) to rows of `width`.
      q.update(repeating: .zero, count: m * width)
      for row in 0..<m { (q + row * width).update(from: copy + row * n, count: k) }
      return expandReflectors(q, m: m, width: width, count: k, tau: tau)
    }
  }

  /// Aᵀ = L·Q for a column-major matrix.
  func factorLQ(
    _ matrix: UnsafeMutablePointer<Scalar>,
    rows: Int,
    columns: Int,
    tau: UnsafeMutablePointer<Scalar>
  ) -> MatrixProblem? {
    problem(
      withWorkspace { work, count in
        gelqf(Int32(rows), Int32(columns), matrix, Int32(max(rows, 1)), tau, work, count)
      }
    )
  }

  private func expandReflectors(
    _ q: UnsafeMutablePointer<Scalar>,
    m: Int,
    width: Int,
    count: Int,
    tau: UnsafeMutablePointer<Scalar>
  ) -> MatrixProblem? {
    let stride = Int32(max(width, 1))
    return problem(
      withWorkspace { work, size in
        orglq(Int32(width), Int32(m), Int32(count), q, stride, tau, work, size)
      }
    )
  }
}
