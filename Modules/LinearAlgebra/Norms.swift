public import Tensor

extension Tensor where Element: LinearAlgebraScalar {
  /// The nuclear norm of each matrix in the last two axes: the sum of its singular values.
  ///
  /// - Shapes: self [… × m × n], result […].
  /// - Throws: as `singularValues()`.
  public func nuclearNorm() throws(LinearAlgebraError) -> Tensor {
    try reducingSpectra("nuclear norm") { values, _ in Element(values.reduce(0, +)) }
  }

  /// The spectral norm of each matrix in the last two axes: its largest singular value.
  ///
  /// - Shapes: self [… × m × n], result […].
  /// - Throws: as `singularValues()`.
  public func spectralNorm() throws(LinearAlgebraError) -> Tensor {
    try reducingSpectra("spectral norm") { values, _ in Element(values.first ?? 0) }
  }

  /// The condition number of each matrix in the last two axes: its largest singular value over its
  /// smallest.
  ///
  /// Infinite for a matrix that is exactly singular, zero for one without elements.
  ///
  /// - Shapes: self [… × m × n], result […].
  /// - Throws: as `singularValues()`.
  public func conditionNumber() throws(LinearAlgebraError) -> Tensor {
    try reducingSpectra("condition number") { values, _ in
      guard let largest = values.first, let smallest = values.last else { return 0 }
      return smallest == 0 ? .infinity : Element(largest / smallest)
    }
  }

  /// The rank of each matrix in the last two axes: how many singular values are not zero.
  ///
  /// Those up to `relativeTolerance` times the largest count as zero; nil stands for max(m, n) times
  /// the precision of the elements.
  ///
  /// - Shapes: self [… × m × n], result […].
  /// - Throws: as `singularValues()`.
  public func matrixRank(
    relativeTolerance: Double? = nil
  ) throws(LinearAlgebraError) -> Tensor<Int32> {
    try reducingSpectra("matrix rank") { values, stack in
      let relative = relativeTolerance ?? Element.defaultTolerance(stack)
      let threshold = relative * (values.first ?? 0)
      return Int32(values.count { $0 > threshold })
    }
  }

  /// The Frobenius norm of each matrix in the last two axes: √Σ aᵢⱼ².
  ///
  /// No intermediate result overflows or underflows. NaN for a matrix that contains NaN.
  ///
  /// - Shapes: self [… × m × n], result […].
  public func frobeniusNorm() -> Tensor {
    let stack = MatrixStack(shape, "Frobenius norm")
    let result = FreshTensor<Element>(stack.result())
    withUnsafeElements { source in
      guard let start = source.baseAddress else { return }
      for position in 0..<stack.count {
        let norm = Element.lapack.loops.norm(start + position * stack.size, stack.size)
        result.elements[position] = Element(norm)
      }
    }
    return result.tensor
  }

  private func reducingSpectra<Result: TensorElement>(
    _ operation: String,
    _ reduce: ([Double], MatrixStack) -> Result
  ) throws(LinearAlgebraError) -> Tensor<Result> {
    let wide = Element.lapack.loops.widen(self)
    let parts = try SingularValues.parts(of: wide, .none, operation)
    let (stack, k) = (parts.stack, parts.stack.order)
    let result = FreshTensor<Result>(stack.result())
    parts.values.withUnsafeElements { values in
      for position in 0..<stack.count {
        let spectrum = Array(values[position * k..<(position + 1) * k])
        result.elements[position] = reduce(spectrum, stack)
      }
    }
    return result.tensor
  }
}
