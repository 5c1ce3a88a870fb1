import Tensor

/// The right-hand sides of linear systems: a vector or the columns of a matrix, for each system.
struct RightHandSide {
  /// The stack of right-hand sides; a vector counts as a matrix with one column.
  let stack: MatrixStack
  private let isVector: Bool

  /// The right-hand sides in `shape` for the systems of `systems`, which must have the same leading
  /// axes and as many rows.
  init(_ shape: Shape, for systems: MatrixStack) {
    isVector = shape.rank == systems.shape.rank - 1
    let fitted = isVector ? Shape(shape.extents + [1]) : shape
    expect(
      fitted.rank == systems.shape.rank && fitted[-2] == systems.rows
        && Array(fitted.extents.dropLast(2)) == systems.batch,
      "\(systems.operation): the right-hand side does not fit, \(systems.shape) · \(shape)"
    )
    stack = MatrixStack(fitted, "\(systems.operation), right-hand side")
  }

  /// The number of right-hand sides of one system.
  var columns: Int { stack.columns }

  /// The shape of solutions with `rows` unknowns.
  func solutionShape(rows: Int) -> Shape {
    Shape(stack.batch + (isVector ? [rows] : [rows, columns]))
  }

  /// The problem, in terms of the right-hand side, of an element that is NaN or infinite.
  func nonFinite<Scalar>(
    _ source: UnsafePointer<Scalar>,
    _ position: Int,
    _ lapack: LAPACKRoutines<Scalar>
  ) -> MatrixProblem? {
    let found = lapack.nonFinite(source, rows: stack.rows, columns: columns)
    guard let found else { return nil }
    let place = stack.place(position)
    return { _ in found(place) }
  }
}

extension MatrixStack {
  /// Calls `body` with the elements of each matrix of `tensor`, those of the right-hand side that
  /// belongs to it, and its position.
  func forEach<Scalar: LinearAlgebraScalar>(
    _ tensor: Tensor<Scalar>,
    _ other: Tensor<Scalar>,
    _ side: RightHandSide,
    operations: @autoclosure () -> Int,
    _ body: (UnsafePointer<Scalar>, UnsafePointer<Scalar>, Int) -> MatrixProblem?
  ) throws(LinearAlgebraError) {
    try side.stack.checkExtents()
    try other.withUnsafeElements { elements throws(LinearAlgebraError) in
      guard let start = elements.baseAddress else { return }
      try forEach(tensor, operations: operations()) { source, position in
        let right = start + position * side.stack.size
        if let problem = side.nonFinite(right, position, Scalar.lapack) { return problem }
        return body(source, right, position)
      }
    }
  }
}
