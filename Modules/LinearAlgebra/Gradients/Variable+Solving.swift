public import Autograd
public import Tensor

extension Variable {
  /// The solution X of A·X = B; see the version for tensors.
  ///
  ///     dB = A⁻ᵀ dX      dA = −dB Xᵀ
  ///
  /// - Shapes: self [… × n × n], `right` [… × n × p] or [… × n]; the result has the shape of `right`.
  /// - Throws: As the version for tensors.
  public func solve(_ right: Variable) throws(LinearAlgebraError) -> Variable {
    let matrix = wide
    let solution = try matrix.solve(right.wide)
    return solved(solution, right) { gradient throws(LinearAlgebraError) in
      try matrix.transposed().solve(gradient)
    } matrixGradient: { dB, x in
      dB.matmul(x, transposingOther: true) * -1
    }
  }

  /// The solution X of op(T)·X = B for triangular T; see the version for tensors.
  ///
  /// The gradient of T is zero where T is not read.
  ///
  /// - Shapes: as `solve(_:)`.
  /// - Throws: As the version for tensors.
  public func solveTriangular(
    _ right: Variable,
    _ triangle: Triangle,
    transposed: Bool = false,
    unitDiagonal: Bool = false
  ) throws(LinearAlgebraError) -> Variable {
    let factor = wide
    func divide(_ side: Tensor<Double>, _ turned: Bool) throws(LinearAlgebraError) -> Tensor<Double>
    {
      try factor.solveTriangular(side, triangle, transposed: turned, unitDiagonal: unitDiagonal)
    }
    let solution = try divide(right.wide, transposed)
    return solved(solution, right) { gradient throws(LinearAlgebraError) in
      try divide(gradient, !transposed)
    } matrixGradient: { dB, x in
      let (a, b) = transposed ? (x, dB) : (dB, x)
      return (a.matmul(b, transposingOther: true) * -1).weighted { row, column in
        if row == column { return unitDiagonal ? 0 : 1 }
        return (row > column) == (triangle == .lower) ? 1 : 0
      }
    }
  }

  /// Records a solution: `adjoint` gives the gradient of B, `matrixGradient` that of the matrix from
  /// it and the solution, both as matrices.
  private func solved(
    _ solution: Tensor<Double>,
    _ right: Variable,
    adjoint: @escaping (Tensor<Double>) throws(LinearAlgebraError) -> Tensor<Double>,
    matrixGradient: @escaping (Tensor<Double>, Tensor<Double>) -> Tensor<Double>
  ) -> Variable {
    let isVector = solution.rank < rank
    func columns(_ side: Tensor<Double>) -> Tensor<Double> {
      isVector ? side.expandingDimensions(at: -1) : side
    }
    return .custom(solution.converted(to: Float.self), inputs: [self, right]) { gradient in
      let dB = notANumberIfSingular(solution.shape) { () throws(LinearAlgebraError) in
        try adjoint(gradient.converted(to: Double.self))
      }
      let dA = matrixGradient(columns(dB), columns(solution))
      return [dA.converted(to: Float.self), dB.converted(to: Float.self)]
    }
  }

  /// The inverse Y of square matrices; dA = −Yᵀ dY Yᵀ.
  ///
  /// - Shapes: self and result [… × n × n].
  /// - Throws: As the version for tensors.
  public func inverse() throws(LinearAlgebraError) -> Variable {
    let inverse = try wide.inverse()
    return derived(inverse) { gradient in
      inverse.matmul(gradient, transposingSelf: true).matmul(inverse, transposingOther: true) * -1
    }
  }

  /// The determinant of square matrices; dA is the matrix of cofactors, also of a singular one.
  ///
  /// - Shapes: self [… × n × n], result […].
  /// - Throws: As the version for tensors.
  public func determinant() throws(LinearAlgebraError) -> Variable {
    let matrix = wide
    let (value, parts) = (try matrix.determinant(), try matrix.singularValueDecomposition())
    let sign = try parts.left.determinant() * (try parts.rightTransposed.determinant())
    let others = parts.productsOfOthers()
    return derived(value) { gradient in
      let cofactors = parts.left.scalingColumns(by: others).matmul(parts.rightTransposed)
      return (gradient * sign).asFactors() * cofactors
    }
  }

  /// The sign of the determinant and the logarithm of its magnitude; dA = A⁻ᵀ, NaN where A is
  /// singular.
  ///
  /// - Shapes: self [… × n × n], both results […].
  /// - Throws: As the version for tensors.
  public func logDeterminant() throws(LinearAlgebraError) -> (
    sign: Tensor<Float>, logarithm: Variable
  ) {
    let matrix = wide
    let parts = try matrix.logDeterminant()
    let logarithm = derived(parts.logarithm) { gradient in
      let inverse = notANumberIfSingular(matrix.shape) { () throws(LinearAlgebraError) in
        try matrix.inverse()
      }
      return gradient.asFactors() * inverse.transposed()
    }
    return (parts.sign.converted(to: Float.self), logarithm)
  }
}

extension SingularValueDecomposition where Element == Double {
  /// For each singular value of a matrix the product of the others.
  fileprivate func productsOfOthers() -> Tensor<Double> {
    let width = singularValues.shape[-1]
    var products = singularValues
    products.withUnsafeMutableElements { elements in
      guard width > 0 else { return }
      for first in stride(from: 0, to: elements.count, by: width) {
        let values = Array(elements[first..<first + width])
        for place in 0..<width {
          elements[first + place] = values.indices.reduce(1) { $1 == place ? $0 : $0 * values[$1] }
        }
      }
    }
    return products
  }
}
