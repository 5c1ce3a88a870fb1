public import Tensor

/// How a least-squares problem is solved.
public enum LeastSquaresMethod: Hashable, Sendable {
  /// By the singular values, those up to `relativeTolerance` times the largest counting as zero.
  ///
  /// Any rank. Nil stands for max(m, n) times the precision of the elements.
  case singularValues(relativeTolerance: Double? = nil)
  /// By a QR decomposition: several times faster, for matrices of full rank only.
  case qr
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The X with the smallest ‖A·X − B‖, and among those the one with the smallest ‖X‖, for each
  /// matrix A in the last two axes.
  ///
  /// - Shapes: self [… × m × n], `right` [… × m × p] or [… × m], result [… × n × p] or [… × n].
  /// - Throws: `LinearAlgebraError.notFinite`, `.notConverged`, which has no known input, and with
  ///   the method `.qr` `.rankDeficient` for dependent rows or columns.
  /// - Source: `.singularValues`: X = V·S⁺·Uᵀ·B, LAPACK DGESDD, in Double. `.qr`: LAPACK xGEQRF
  ///   of A or Aᵀ and xORMQR, in the precision of the elements.
  /// - Complexity: O(m · n · min(m, n)).
  public func leastSquares(
    _ right: Tensor,
    method: LeastSquaresMethod = .singularValues()
  ) throws(LinearAlgebraError) -> Tensor {
    switch method {
    case .singularValues(let tolerance):
      let loops = Element.lapack.loops
      let stack = MatrixStack(shape, "least squares")
      let relative = tolerance ?? Element.defaultTolerance(stack)
      return loops.narrow(try loops.widen(self).leastSquares(loops.widen(right), relative))
    case .qr:
      return try leastSquaresByReflectors(right)
    }
  }
}

extension LinearAlgebraScalar {
  /// The rounding error of the singular values of a matrix, relative to the largest.
  static func defaultTolerance(_ stack: MatrixStack) -> Double {
    Double(Swift.max(stack.rows, stack.columns)) * Double(ulpOfOne)
  }
}

extension Tensor<Double> {
  fileprivate func leastSquares(
    _ right: Tensor,
    _ relativeTolerance: Double
  ) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(shape, "least squares")
    try stack.checkExtents()
    let side = RightHandSide(right.shape, for: stack)
    let (m, n, k, p) = (stack.rows, stack.columns, stack.order, side.columns)
    let result = FreshTensor<Double>(side.solutionShape(rows: n))
    var work: Int { SingularValues.operations(stack, .thin) + 2 * p * k * (m + n) }
    try stack.forEach(self, right, side, operations: work) { source, right, position in
      withScratch(k * (1 + m + n + p), of: Double.self) { scratch in
        let left = scratch + k
        let (rightVectors, projected) = (left + k * m, left + k * (m + n))
        let target = SingularValues.Target(values: scratch, left: left, right: rightVectors)
        if let problem = SingularValues.decompose(source, stack, .thin, target) { return problem }
        // W = Uᵀ·B [k × p], then X = V·S⁺·W.
        let (u, b) = (RowMajor(left, stride: k), RowMajor(right, stride: p))
        RowMajor.multiply(u.transposed, b, (k, m, p), into: projected)
        let rank = invert(scratch, k, relativeTolerance, projected, p)
        let (v, w) = (RowMajor(rightVectors, stride: n), RowMajor(projected, stride: p))
        let solution = result.elements + position * n * p
        RowMajor.multiply(v.transposed, w, (n, rank, p), into: solution)
        return nil
      }
    }
    return result.tensor
  }
}

/// Divides row i of a matrix by singular value i; returns how many are above the tolerance.
private func invert(
  _ values: UnsafePointer<Double>,
  _ count: Int,
  _ relativeTolerance: Double,
  _ matrix: UnsafeMutablePointer<Double>,
  _ columns: Int
) -> Int {
  let threshold = count > 0 ? relativeTolerance * values[0] : 0
  var rank = 0
  while rank < count, values[rank] > threshold {
    for column in 0..<columns { matrix[rank * columns + column] /= values[rank] }
    rank += 1
  }
  return rank
}

// MARK: - By reflectors

extension Tensor where Element: LinearAlgebraScalar {
  fileprivate func leastSquaresByReflectors(
    _ right: Tensor
  ) throws(LinearAlgebraError) -> Tensor {
    let stack = MatrixStack(shape, "least squares")
    try stack.checkExtents()
    let side = RightHandSide(right.shape, for: stack)
    let (m, n, k, p) = (stack.rows, stack.columns, stack.order, side.columns)
    let result = FreshTensor<Element>(side.solutionShape(rows: n))
    let lapack = Element.lapack
    var work: Int { 2 * m * n * k + 4 * m * n * p }
    try stack.forEach(self, right, side, operations: work) { source, right, position in
      if let problem = lapack.nonFinite(source, rows: m, columns: n) { return problem }
      // X overwrites B: room for the longer of both.
      return withScratch(m * n + k + Swift.max(m, n) * p, of: Element.self) { copy in
        if m >= n {
          lapack.loops.transpose(source, m, n, copy)
        } else {
          copy.update(from: source, count: m * n)
        }
        let (tau, solution) = (copy + m * n, copy + m * n + k)
        solution.update(from: right, count: m * p)
        let system = ReflectorSystem(
          rows: m,
          columns: n,
          matrix: copy,
          tau: tau,
          rightColumns: p,
          right: solution
        )
        let problem = m >= n ? system.solveTall() : system.solveWide()
        (result.elements + position * n * p).update(from: solution, count: n * p)
        return problem
      }
    }
    return result.tensor
  }
}

/// One least-squares problem; its matrix and right-hand sides are overwritten.
///
/// The matrix is the taller of A and Aᵀ, column by column: a wide A as it lies in memory.
private struct ReflectorSystem<Scalar: LinearAlgebraScalar> {
  let rows: Int
  let columns: Int
  let matrix: UnsafeMutablePointer<Scalar>
  let tau: UnsafeMutablePointer<Scalar>
  let rightColumns: Int
  let right: UnsafeMutablePointer<Scalar>

  private var m: Int32 { Int32(rows) }
  private var n: Int32 { Int32(columns) }
  private var p: Int32 { Int32(rightColumns) }
  private var rightStride: Int32 { max(p, 1) }

  /// A = Q·R, so Xᵀ = (Bᵀ·Q)·R⁻ᵀ, where only the first n columns of Bᵀ·Q count.
  func solveTall() -> MatrixProblem? {
    if let problem = factor(rows, columns) ?? apply(.none, m, n) { return problem }
    upper(columns, stride: rows).divide(right, rows: rightColumns, transposed: true)
    return nil
  }

  /// Aᵀ = Q·R, so Xᵀ = (Bᵀ·R⁻¹, 0)·Qᵀ.
  func solveWide() -> MatrixProblem? {
    if let problem = factor(columns, rows) { return problem }
    upper(rows, stride: columns).divide(right, rows: rightColumns)
    let known = rows * rightColumns
    (right + known).update(repeating: 0, count: columns * rightColumns - known)
    return apply(.transposed, n, m)
  }

  private func factor(_ rows: Int, _ columns: Int) -> MatrixProblem? {
    Scalar.lapack.factorTall(matrix, rows, columns, tau: tau) ?? deficiency(stride: rows)
  }

  /// Multiplies the right-hand sides [p × length] by op(Q) from the right.
  private func apply(_ operation: CChar, _ length: Int32, _ count: Int32) -> MatrixProblem? {
    let stride = max(length, 1)
    return problem(
      Scalar.lapack.withWorkspace { work, size in
        Scalar.lapack.ormqr(
          .fromTheRight,
          operation,
          p,
          length,
          count,
          matrix,
          stride,
          tau,
          right,
          rightStride,
          work,
          size
        )
      }
    )
  }

  private func upper(_ extent: Int, stride: Int) -> TriangularFactor<Scalar> {
    TriangularFactor(elements: matrix, extent: extent, stride: stride, triangle: .upper)
  }

  /// The problem of a triangular factor whose diagonal vanishes beside its largest element.
  private func deficiency(stride: Int) -> MatrixProblem? {
    let diagonal = (0..<min(rows, columns)).map { matrix[$0 * stride + $0].magnitude }
    let threshold = (diagonal.max() ?? 0) * Scalar(max(rows, columns)) * Scalar.ulpOfOne
    let rank = diagonal.count { $0 > threshold }
    guard rank < diagonal.count else { return nil }
    return { .rankDeficient(rank: rank, in: $0) }
  }
}
