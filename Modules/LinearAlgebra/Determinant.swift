#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
public import Tensor

/// The determinant of a matrix, or of each in a stack, as sign · exp(logarithm).
public struct LogDeterminant<Element: LinearAlgebraScalar>: Sendable {
  /// 1 or -1, or 0 for a singular matrix.
  public let sign: Tensor<Element>
  /// log |det A|; minus infinity for a singular matrix.
  public let logarithm: Tensor<Element>
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The inverse of each square matrix in the last two axes.
  ///
  /// `solve(_:)` is faster and more accurate where the inverse is only multiplied by something.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: as `solve(_:)`.
  /// - Source: LAPACK xGETRF and xGETRI.
  /// - Complexity: 2n³.
  public func inverse() throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "inverse")
    let n = stack.rows
    let result = FreshTensor<Element>(shape)
    let lapack = Element.lapack
    try stack.forEach(self, operations: 2 * n * n * n) { source, position in
      let inverse = result.elements + position * n * n
      if let problem = lapack.nonFinite(source, rows: n, columns: n) { return problem }
      // The inverse of the transpose, which LAPACK sees, is the transpose of the inverse.
      inverse.update(from: source, count: n * n)
      return withScratch(n, of: Int32.self) { pivots in
        let (extent, stride) = (Int32(n), Int32(Swift.max(n, 1)))
        let info = lapack.getrf(extent, extent, inverse, stride, pivots)
        guard info == 0 else { return problem(info) { .singular(pivot: $0 - 1, in: $1) } }
        return problem(
          lapack.withWorkspace { work, count in
            lapack.getri(extent, inverse, stride, pivots, work, count)
          }
        )
      }
    }
    return result.tensor
  }

  /// The determinant of each square matrix in the last two axes.
  ///
  /// Zero for a singular matrix, one for a matrix without elements. Leaves the range of floats soon:
  /// see `logDeterminant()`.
  ///
  /// - Shapes: self [… × n × n], result […].
  /// - Throws: `LinearAlgebraError.notFinite`.
  /// - Source: LAPACK xGETRF.
  /// - Complexity: 2n³ / 3.
  public func determinant() throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(square: shape, "determinant")
    let result = FreshTensor<Element>(stack.result())
    try forEachPivot(stack) { sign, pivots, position in
      var product = Double(sign)
      for pivot in pivots { product *= Double(pivot) }
      result.elements[position] = Element(product)
    }
    return result.tensor
  }

  /// The sign and the logarithm of the determinant of each square matrix in the last two axes.
  ///
  /// - Shapes: self [… × n × n], both results […].
  /// - Throws: `LinearAlgebraError.notFinite`.
  /// - Source: LAPACK xGETRF.
  /// - Complexity: 2n³ / 3.
  public func logDeterminant() throws(LinearAlgebraError) -> LogDeterminant<Element> {
    let stack = MatrixStack(square: shape, "log determinant")
    let signs = FreshTensor<Element>(stack.result())
    let logarithms = FreshTensor<Element>(stack.result())
    try forEachPivot(stack) { sign, pivots, position in
      var (sign, sum) = (sign, 0.0)
      for pivot in pivots {
        if pivot == 0 { sign = 0 } else if pivot < 0 { sign = -sign }
        sum += logarithm(of: pivot)
      }
      signs.elements[position] = Element(sign)
      logarithms.elements[position] = Element(sum)
    }
    return LogDeterminant(sign: signs.tensor, logarithm: logarithms.tensor)
  }

  /// Calls `body` with the sign of the row exchanges, the pivots, and the position of each matrix.
  private func forEachPivot(
    _ stack: MatrixStack,
    _ body: (Int, [Element], Int) -> Void
  ) throws(LinearAlgebraError) {
    let n = stack.rows
    try stack.forEach(self, operations: 2 * n * n * n / 3) { source, position in
      Element.lapack.withLU(source, n) { factors, exchanges, info in
        let isOdd = (0..<n).count { Int(exchanges[$0]) - 1 != $0 } % 2 == 1
        body(isOdd ? -1 : 1, (0..<n).map { factors[$0 * n + $0] }, position)
        return nil
      }
    }
  }
}

/// log |pivot|; the tensors' own `log()` hides the C library's inside their extensions.
private func logarithm(of pivot: some LinearAlgebraScalar) -> Double {
  log(Double(pivot.magnitude))
}
