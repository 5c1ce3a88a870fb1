import CLAPACK
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
  /// - Source: `.singularValues`: X = V·S⁺·Uᵀ·B, LAPACK DGESDD, in Double. `.qr`: LAPACK xGELQF or
  ///   xGEQRF, in the precision of the elements.
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
    let side = RightHandSide(right.shape, for: stack)
    let (m, n, k, p) = (stack.rows, stack.columns, stack.order, side.columns)
    let result = FreshTensor<Double>(side.solutionShape(rows: n))
    let work = SingularValues.operations(stack, .thin) + 2 * p * k * (m + n)
    try stack.forEach(self, right, side, operations: work) { source, right, position in
      withScratch(k * (1 + m + n + p), of: Double.self) { scratch in
        let left = scratch + k
        let (rightVectors, projected) = (left + k * m, left + k * (m + n))
        let target = SingularValues.Target(values: scratch, left: left, right: rightVectors)
        if let problem = SingularValues.decompose(source, stack, .thin, target) { return problem }
        let (rows, stride) = (Int32(p), Int32(Swift.max(p, 1)))
        let (kStride, nStride) = (Int32(Swift.max(k, 1)), Int32(Swift.max(n, 1)))
        // Row-major W = Uᵀ·B [k × p], then X = V·S⁺·W.
        let (kCount, mCount, nCount) = (Int32(k), Int32(m), Int32(n))
        clapack_dgemm(
          .none, .transposed, rows, kCount, mCount, right, stride, left, kStride, projected, stride
        )
        let rank = invert(scratch, k, relativeTolerance, projected, p)
        let solution = result.elements + position * n * p
        clapack_dgemm(
          .none, .transposed, rows, nCount, Int32(rank), projected, stride, rightVectors, nStride,
          solution, stride
        )
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
    let side = RightHandSide(right.shape, for: stack)
    let (m, n, k, p) = (stack.rows, stack.columns, stack.order, side.columns)
    let result = FreshTensor<Element>(side.solutionShape(rows: n))
    let lapack = Element.lapack
    let work = 2 * m * n * k + 4 * m * n * p
    try stack.forEach(self, right, side, operations: work) { source, right, position in
      if let problem = lapack.nonFinite(source, rows: m, columns: n) { return problem }
      // X overwrites B: room for the longer of both.
      return withScratch(m * n + k + Swift.max(m, n) * p, of: Element.self) { copy in
        copy.update(from: source, count: m * n)
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

/// One least-squares problem: a row-major matrix and its right-hand sides, both overwritten.
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
  private var stride: Int32 { max(n, 1) }
  private var rightStride: Int32 { max(p, 1) }

  /// Aᵀ = L·Q, so Xᵀ = (Bᵀ·Qᵀ)·L⁻¹, of which the first n columns count.
  func solveTall() -> MatrixProblem? {
    let lapack = Scalar.lapack
    if let problem = lapack.factorLQ(matrix, rows: columns, columns: rows, tau: tau) {
      return problem
    }
    if let problem = deficiency() { return problem }
    let info = lapack.withWorkspace { work, count in
      lapack.ormlq(
        .fromTheRight, .transposed, p, m, n, matrix, stride, tau, right, rightStride, work, count
      )
    }
    lapack.solveRight(.lower, .none, .none, columns, rightColumns, matrix, right)
    return problem(info)
  }

  /// Aᵀ = Q·R, so Xᵀ = (Bᵀ·R⁻¹, 0)·Qᵀ.
  func solveWide() -> MatrixProblem? {
    let lapack = Scalar.lapack
    let info = lapack.withWorkspace { work, count in
      lapack.geqrf(n, m, matrix, stride, tau, work, count)
    }
    if let problem = problem(info) ?? deficiency() { return problem }
    lapack.trsmRight(.upper, .none, .none, p, m, matrix, stride, right, rightStride)
    let known = rows * rightColumns
    (right + known).update(repeating: 0, count: columns * rightColumns - known)
    return problem(
      lapack.withWorkspace { work, count in
        lapack.ormqr(
          .fromTheRight, .transposed, p, n, m, matrix, stride, tau, right, rightStride, work, count
        )
      }
    )
  }

  /// The problem of a triangular factor whose diagonal vanishes beside its largest element.
  private func deficiency() -> MatrixProblem? {
    let diagonal = (0..<min(rows, columns)).map { matrix[$0 * columns + $0].magnitude }
    let threshold = (diagonal.max() ?? 0) * Scalar(max(rows, columns)) * Scalar.ulpOfOne
    let rank = diagonal.count { $0 > threshold }
    guard rank < diagonal.count else { return nil }
    return { .rankDeficient(rank: rank, in: $0) }
  }
}
