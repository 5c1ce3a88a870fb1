public import Autograd
import Tensor

extension Variable {
  /// The thin singular value decomposition A = U · diag(S) · Vᵀ; see the version for tensors.
  ///
  ///     dA = U ((F ∘ (UᵀdU − dUᵀU)) S + diag(dS) + S (F ∘ (VᵀdV − dVᵀV))) Vᵀ
  ///        + (I − UUᵀ) dU S⁻¹ Vᵀ + U S⁻¹ dVᵀ (I − VVᵀ),   F_ij = 1 / (S_j² − S_i²)
  ///
  /// The gradients through U and V mean something where singular values differ and, for matrices
  /// that are not square, are not zero; where two are equal their part is left out.
  ///
  /// - Shapes: self [… × m × n], k = min(m, n): U [… × m × k], S [… × k], Vᵀ [… × k × n].
  /// - Throws: As the version for tensors.
  /// - Source: Townsend 2016, "Differentiating the Singular Value Decomposition".
  public func singularValueDecomposition() throws(LinearAlgebraError) -> (
    left: Variable, singularValues: Variable, rightTransposed: Variable
  ) {
    let parts = try wide.singularValueDecomposition()
    let (left, right) = (parts.left, parts.rightTransposed)
    return (
      left: derived(left) { parts.gradient(left: $0) },
      singularValues: derived(parts.singularValues) { left.scalingColumns(by: $0).matmul(right) },
      rightTransposed: derived(right) { gradient in
        // Aᵀ = V S Uᵀ: the same with both sides exchanged.
        let exchanged = SingularValueDecomposition(
          left: right.transposed(),
          singularValues: parts.singularValues,
          rightTransposed: left.transposed()
        )
        return exchanged.gradient(left: gradient.transposed()).transposed()
      }
    )
  }

  /// The singular values in descending order; dA = U · diag(dS) · Vᵀ.
  ///
  /// - Shapes: self [… × m × n], result [… × min(m, n)].
  /// - Throws: As the version for tensors.
  public func singularValues() throws(LinearAlgebraError) -> Variable {
    let parts = try wide.singularValueDecomposition()
    return derived(parts.singularValues) {
      parts.left.scalingColumns(by: $0).matmul(parts.rightTransposed)
    }
  }

  /// The sum of the singular values; dA is U · Vᵀ over the values above the threshold.
  ///
  /// - Shapes: self [… × m × n], result […].
  /// - Throws: As the version for tensors.
  public func nuclearNorm(threshold: Double = 1e-6) throws(LinearAlgebraError) -> Variable {
    let parts = try wide.singularValueDecomposition()
    let norm = parts.singularValues.sum(axes: [parts.singularValues.rank - 1])
    return derived(norm) { $0.asFactors() * parts.polarFactor(threshold: threshold) }
  }

  /// Eigenvalues in ascending order and eigenvectors of symmetric matrices; see the version for
  /// tensors.
  ///
  ///     dA = V (diag(dλ) + F ∘ VᵀdV) Vᵀ, made symmetric,   F_ij = 1 / (λ_j − λ_i)
  ///
  /// Where eigenvalues are equal, their part of the gradient through V is left out. Only the lower
  /// triangle is read, but the gradient is that of a symmetric matrix: both halves share it.
  ///
  /// - Shapes: self and vectors [… × n × n], values [… × n].
  /// - Throws: As the version for tensors.
  /// - Source: Giles 2008, "Collected Matrix Derivative Results", section 3.1.
  public func symmetricEigen() throws(LinearAlgebraError) -> (values: Variable, vectors: Variable) {
    let eigen = try wide.symmetricEigen()
    let vectors = eigen.vectors
    let parts = eigen.values.inverseDifferences()
    return (
      values: derived(eigen.values) {
        vectors.scalingColumns(by: $0).matmul(vectors, transposingOther: true)
      },
      vectors: derived(vectors) { gradient in
        let inner = parts * vectors.matmul(gradient, transposingSelf: true)
        return vectors.matmul(inner).matmul(vectors, transposingOther: true).symmetrized()
      }
    )
  }

  /// The eigenvalues of symmetric matrices in ascending order; dA = V · diag(dλ) · Vᵀ.
  ///
  /// - Shapes: self [… × n × n], result [… × n].
  /// - Throws: As the version for tensors.
  public func symmetricEigenvalues() throws(LinearAlgebraError) -> Variable {
    try symmetricEigen().values
  }
}

extension SingularValueDecomposition where Element == Double {
  /// The part of A's gradient that comes through U.
  fileprivate func gradient(left gradient: Tensor<Double>) -> Tensor<Double> {
    let factors = (singularValues * singularValues).inverseDifferences()
    let inner = left.matmul(gradient, transposingSelf: true)
    let turned = left.matmul(factors * (inner - inner.transposed()))
    // What of dU leaves the span of U: nothing when U is square.
    let outside = gradient - left.matmul(inner)
    let isZero = singularValues .== 0
    let inverses = 1 / select(isZero, Tensor(scalar: 1), singularValues)
    let kept = select(isZero, Tensor(scalar: 0), inverses)
    let sum = turned.scalingColumns(by: singularValues) + outside.scalingColumns(by: kept)
    return sum.matmul(rightTransposed)
  }
}
