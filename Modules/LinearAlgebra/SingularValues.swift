import CLAPACK
package import Tensor

/// The singular value decompositions of a stack of matrices, in Double.
///
/// A row-major A is LAPACK's Aᵀ. Its decomposition is Aᵀ = V·S·Uᵀ, and what LAPACK writes as left
/// and right factors, column by column, are the rows of Vᵀ and U: nothing needs to be transposed.
/// A tall A is, nevertheless: DGESDD takes 20 to 30 % less for tall matrices than for wide ones.
package enum SingularValues {
  /// Which singular vectors are wanted: none, as many as singular values, or all.
  enum Vectors {
    case none, thin, full

    var job: CChar {
      switch self {
      case .none: CChar.none
      case .thin: .thin
      case .full: .all
      }
    }
  }

  /// Where one decomposition goes; the vectors are nil for `.none`.
  struct Target {
    let values: UnsafeMutablePointer<Double>
    let left: UnsafeMutablePointer<Double>?
    let right: UnsafeMutablePointer<Double>?
  }

  /// The decompositions of all matrices: U [… × m × k], S [… × k], Vᵀ [… × k × n].
  struct Parts {
    let stack: MatrixStack
    let values: Tensor<Double>
    let left: Tensor<Double>?
    let right: Tensor<Double>?
  }

  /// Decomposes every matrix in the last two axes.
  static func parts(
    of matrices: Tensor<Double>,
    _ vectors: Vectors,
    _ operation: String
  ) throws(LinearAlgebraError) -> Parts {
    let stack = MatrixStack(matrices.shape, operation)
    try stack.checkExtents()
    let (m, n, k) = (stack.rows, stack.columns, stack.order)
    let values = FreshTensor<Double>(stack.result(k))
    let leftSize = m * (vectors == .full ? m : k)
    let rightSize = n * (vectors == .full ? n : k)
    let left = vectors == .none ? nil : FreshTensor<Double>(stack.result(m, leftSize / max(m, 1)))
    let right =
      vectors == .none ? nil : FreshTensor<Double>(stack.result(rightSize / max(n, 1), n))
    try stack.forEach(matrices, operations: operations(stack, vectors)) { source, position in
      let target = Target(
        values: values.elements + position * k,
        left: left.map { $0.elements + position * leftSize },
        right: right.map { $0.elements + position * rightSize }
      )
      return decompose(source, stack, vectors, target)
    }
    return Parts(stack: stack, values: values.tensor, left: left?.tensor, right: right?.tensor)
  }

  /// About how many floating-point operations one matrix of a stack takes.
  static func operations(_ stack: MatrixStack, _ vectors: Vectors) -> Int {
    let work = 4 * stack.size * stack.order
    return vectors == .none ? work : 4 * work
  }

  /// Decomposes one row-major matrix, which is left as it was.
  static func decompose(
    _ source: UnsafePointer<Double>,
    _ stack: MatrixStack,
    _ vectors: Vectors,
    _ target: Target
  ) -> MatrixProblem? {
    if let problem = Double.lapack.nonFinite(source, rows: stack.rows, columns: stack.columns) {
      return problem
    }
    guard stack.order > 0 else {
      writeIdentities(stack, target, isFull: vectors == .full)
      return nil
    }
    guard stack.rows >= 2 * stack.columns else {
      return decompose(stack, vectors, target) { $0.update(from: source, count: stack.size) }
    }
    return decomposeTall(source, stack, vectors, target)
  }

  /// Decomposes Aᵀ = V·S·Uᵀ instead of A.
  private static func decomposeTall(
    _ source: UnsafePointer<Double>,
    _ stack: MatrixStack,
    _ vectors: Vectors,
    _ target: Target
  ) -> MatrixProblem? {
    let (m, n) = (stack.rows, stack.columns)
    let transpose = Double.lapack.loops.transpose
    let flipped = stack.flipped
    let width = vectors == .full ? m : n
    let leftSize = vectors == .none ? 0 : width * m
    let rightSize = vectors == .none ? 0 : n * n
    return withScratch(leftSize + rightSize, of: Double.self) { scratch in
      let (left, right) = (scratch, scratch + leftSize)
      let inner = Target(
        values: target.values,
        left: vectors == .none ? nil : right,
        right: vectors == .none ? nil : left
      )
      let problem = decompose(flipped, vectors, inner) { transpose(source, m, n, $0) }
      if problem == nil, let leftTarget = target.left, let rightTarget = target.right {
        transpose(left, width, m, leftTarget)
        transpose(right, n, n, rightTarget)
      }
      return problem
    }
  }

  /// Decomposes the row-major matrix that `fill` writes.
  private static func decompose(
    _ stack: MatrixStack,
    _ vectors: Vectors,
    _ target: Target,
    _ fill: (UnsafeMutablePointer<Double>) -> Void
  ) -> MatrixProblem? {
    withScratch(stack.size, of: Double.self) { copy in
      fill(copy)
      let info = divideAndConquer(copy, stack, vectors, target)
      guard let info, info > 0 else { return problem(info) }
      fill(copy)
      return problem(iterate(copy, stack, vectors, target))
    }
  }

  private static func divideAndConquer(
    _ copy: UnsafeMutablePointer<Double>,
    _ stack: MatrixStack,
    _ vectors: Vectors,
    _ target: Target
  ) -> Int32? {
    let (rows, columns) = (Int32(stack.rows), Int32(stack.columns))
    let rightStride = Int32(vectors == .full ? stack.rows : stack.order)
    // What the routine documents; where it overflows, so does the routine's own count.
    let least = 4 * stack.order * stack.order + 7 * stack.order + max(stack.rows, stack.columns)
    guard vectors == .none || least <= Int(Int32.max) else { return nil }
    return withScratch(8 * stack.order, of: Int32.self) { integers in
      Double.lapack.withWorkspace { work, count in
        clapack_dgesdd(
          vectors.job,
          columns,
          rows,
          copy,
          columns,
          target.values,
          target.right,
          columns,
          target.left,
          rightStride,
          work,
          count,
          integers
        )
      }
    }
  }

  private static func iterate(
    _ copy: UnsafeMutablePointer<Double>,
    _ stack: MatrixStack,
    _ vectors: Vectors,
    _ target: Target
  ) -> Int32? {
    let (rows, columns) = (Int32(stack.rows), Int32(stack.columns))
    let rightStride = Int32(vectors == .full ? stack.rows : stack.order)
    return Double.lapack.withWorkspace { work, count in
      clapack_dgesvd(
        vectors.job,
        columns,
        rows,
        copy,
        columns,
        target.values,
        target.right,
        columns,
        target.left,
        rightStride,
        work,
        count
      )
    }
  }

  /// A matrix without elements has no singular values; its full factors are identities.
  private static func writeIdentities(_ stack: MatrixStack, _ target: Target, isFull: Bool) {
    guard isFull else { return }
    for (factor, extent) in [(target.left, stack.rows), (target.right, stack.columns)] {
      guard let factor else { continue }
      factor.update(repeating: 0, count: extent * extent)
      for index in 0..<extent { factor[index * extent + index] = 1 }
    }
  }

  /// The thin decomposition of one matrix by QR iterations alone, the way out when divide and conquer
  /// does not converge: for tests, because no input is known that needs it.
  package static func iterated(
    _ matrix: Tensor<Double>
  ) throws(LinearAlgebraError) -> SingularValueDecomposition<Double> {
    let stack = MatrixStack(matrix.shape, "iterate")
    let (m, n, k) = (stack.rows, stack.columns, stack.order)
    let (left, right) = (FreshTensor<Double>([m, k]), FreshTensor<Double>([k, n]))
    let values = FreshTensor<Double>([k])
    let copy = FreshTensor(copying: matrix)
    let target = Target(values: values.elements, left: left.elements, right: right.elements)
    if let problem = problem(iterate(copy.elements, stack, .thin, target)) {
      throw problem(stack.place(0))
    }
    return SingularValueDecomposition(
      left: left.tensor,
      singularValues: values.tensor,
      rightTransposed: right.tensor
    )
  }
}
