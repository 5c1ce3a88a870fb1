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
  /// The QR decomposition of each matrix in the last two axes, with a square Q if it is `complete`.
  ///
  /// Computed in the precision of the elements.
  ///
  /// - Shapes: self [… × m × n]; see `QRDecomposition`.
  /// - Throws: `LinearAlgebraError.notFinite`.
  /// - Source: LAPACK xGEQRF and xORGQR; for wide matrices xGELQF and xORGLQ.
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
        QRTarget(
          q: q.elements + position * m * width,
          r: r.elements + position * width * n,
          width: width
        )
      )
    }
    return QRDecomposition(q: q.tensor, r: r.tensor)
  }
}

/// Where one decomposition goes: Q with `width` columns, R with `width` rows.
private struct QRTarget<Scalar> {
  let q: UnsafeMutablePointer<Scalar>
  let r: UnsafeMutablePointer<Scalar>
  let width: Int
}

extension LAPACKRoutines where Scalar: BinaryFloatingPoint {
  /// Decomposes one row-major matrix.
  ///
  /// A row-major A is LAPACK's Aᵀ, and Aᵀ = L·Q′ is A = Q′ᵀ·Lᵀ: what LAPACK writes as L and Q′,
  /// column by column, are the rows of R and Q. But eliminating along rows, as that does, takes two
  /// to four times as long where there are many of them: tall matrices are transposed instead.
  fileprivate func decompose(
    _ source: UnsafePointer<Scalar>,
    _ stack: MatrixStack,
    _ target: QRTarget<Scalar>
  ) -> MatrixProblem? {
    let (m, n) = (stack.rows, stack.columns)
    if let problem = nonFinite(source, rows: m, columns: n) { return problem }
    target.r.update(repeating: .zero, count: target.width * n)
    return m < n ? decomposeWide(source, m, n, target) : decomposeTall(source, m, n, target)
  }

  private func decomposeWide(
    _ source: UnsafePointer<Scalar>,
    _ m: Int,
    _ n: Int,
    _ target: QRTarget<Scalar>
  ) -> MatrixProblem? {
    withScratch(m * n + m, of: Scalar.self) { copy in
      copy.update(from: source, count: m * n)
      let tau = copy + m * n
      let (rows, columns) = (Int32(n), Int32(m))
      let info = withWorkspace { work, count in
        gelqf(rows, columns, copy, rows, tau, work, count)
      }
      if let problem = problem(info) { return problem }
      for row in 0..<m {
        (target.r + row * n + row).update(from: copy + row * n + row, count: n - row)
        (target.q + row * m).update(from: copy + row * n, count: m)
      }
      let stride = max(columns, 1)
      return problem(
        withWorkspace { work, count in
          orglq(columns, columns, columns, target.q, stride, tau, work, count)
        }
      )
    }
  }

  private func decomposeTall(
    _ source: UnsafePointer<Scalar>,
    _ m: Int,
    _ n: Int,
    _ target: QRTarget<Scalar>
  ) -> MatrixProblem? {
    let width = target.width
    return withScratch(m * width + n, of: Scalar.self) { columns in
      let tau = columns + m * width
      loops.transpose(source, m, n, columns)
      if let problem = factorTall(columns, m, n, tau: tau) { return problem }
      for row in 0..<n {
        for column in row..<n { target.r[row * n + column] = columns[column * m + row] }
      }
      (columns + m * n).update(repeating: .zero, count: m * (width - n))
      let info = withWorkspace { work, count in
        orgqr(Int32(m), Int32(width), Int32(n), columns, Int32(max(m, 1)), tau, work, count)
      }
      loops.transpose(columns, width, m, target.q)
      return problem(info)
    }
  }

  /// A = Q·R for a column-major matrix.
  func factorTall(
    _ matrix: UnsafeMutablePointer<Scalar>,
    _ rows: Int,
    _ columns: Int,
    tau: UnsafeMutablePointer<Scalar>
  ) -> MatrixProblem? {
    problem(
      withWorkspace { work, count in
        geqrf(Int32(rows), Int32(columns), matrix, Int32(max(rows, 1)), tau, work, count)
      }
    )
  }
}
