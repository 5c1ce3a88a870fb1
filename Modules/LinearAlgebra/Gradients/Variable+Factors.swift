public import Autograd
import Tensor

extension Variable {
  /// The QR decomposition A = Q · R with as many columns as rows at most; see the version for
  /// tensors.
  ///
  ///     dA = (dQ + Q copy(M)) R⁻ᵀ,   M = R dRᵀ − dQᵀ Q
  ///
  /// copy mirrors the lower triangle. The columns of A, the first m of a wide one, must be
  /// independent: else the gradient is NaN.
  ///
  /// - Shapes: self [… × m × n], k = min(m, n): Q [… × m × k], R [… × k × n].
  /// - Throws: As the version for tensors.
  /// - Source: Walter and Lehmann 2013, "Algorithmic differentiation of linear algebra functions",
  ///   section 3.2; Liao et al. 2019, "Differentiable programming tensor networks", equation 4.
  public func qrDecomposition() throws(LinearAlgebraError) -> (q: Variable, r: Variable) {
    expect(rank >= 2, "QR decomposition: a matrix is needed, found \(shape)")
    let (rows, columns) = (shape[-2], shape[-1])
    guard rows >= columns else {
      // A = [A₁ A₂] = Q · [R₁ QᵀA₂]
      let first = try sliced(0..<rows, axis: -1).qrDecomposition()
      let rest = sliced(rows..<columns, axis: -1)
      let second = first.q.matmul(rest, transposingSelf: true)
      return (first.q, .concatenating([first.r, second], axis: rank - 1))
    }
    let parts = try wide.qrDecomposition()
    let (q, r) = (parts.q, parts.r)
    func gradient(_ own: Tensor<Double>?, _ inner: Tensor<Double>) -> Tensor<Double> {
      let lower = inner.lowerWithHalfDiagonal()
      let copied = q.matmul(lower + lower.transposed())
      let sum = own.map { $0 + copied } ?? copied
      return notANumberIfSingular(sum.shape) { () throws(LinearAlgebraError) in
        try r.solveTriangular(sum.transposed(), .upper).transposed()
      }
    }
    return (
      q: derived(q) { gradient($0, $0.matmul(q, transposingSelf: true) * -1) },
      r: derived(r) { own in
        let upper = own.weighted { $0 <= $1 ? 1 : 0 }
        return gradient(nil, r.matmul(upper, transposingOther: true))
      }
    )
  }

  /// The Cholesky factor of symmetric positive definite matrices; see the version for tensors.
  ///
  ///     dA = L⁻ᵀ Φ(Lᵀ dL) L⁻¹, made symmetric
  ///
  /// Φ keeps the lower triangle with half of the diagonal. Only the given triangle is read, but the
  /// gradient is that of a symmetric matrix: both halves share it.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: As the version for tensors.
  /// - Source: Murray 2016, "Differentiation of the Cholesky decomposition", equation 10.
  public func cholesky(_ triangle: Triangle = .lower) throws(LinearAlgebraError) -> Variable {
    guard triangle == .lower else { return try transposed().cholesky().transposed() }
    let factor = try wide.cholesky()
    return derived(factor) { gradient in
      let inner = factor.matmul(gradient.weighted { $0 >= $1 ? 1 : 0 }, transposingSelf: true)
        .lowerWithHalfDiagonal()
      return notANumberIfSingular(factor.shape) { () throws(LinearAlgebraError) in
        let left = try factor.solveTriangular(inner, .lower, transposed: true)
        let both = try factor.solveTriangular(left.transposed(), .lower, transposed: true)
        return both.symmetrized()
      }
    }
  }
}
