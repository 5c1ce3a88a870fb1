import CLAPACK

/// An operand of a product: a row-major matrix, or its transpose, in memory of someone else.
struct RowMajor {
  let elements: UnsafePointer<Double>
  /// The distance between two rows in elements.
  let stride: Int
  private var operation = CChar.none

  init(_ elements: UnsafePointer<Double>, stride: Int) {
    self.elements = elements
    self.stride = stride
  }

  /// The same elements, read as the transposed matrix.
  var transposed: RowMajor {
    var result = self
    result.operation = operation == .none ? .transposed : .none
    return result
  }

  /// Writes the product [rows × columns] of two matrices with `inner` columns and rows.
  static func multiply(
    _ left: RowMajor,
    _ right: RowMajor,
    _ extents: (rows: Int, inner: Int, columns: Int),
    into target: UnsafeMutablePointer<Double>
  ) {
    // Column by column the rows of C are Cᵀ = op(B)ᵀ·op(A)ᵀ, and so are those of A and B.
    clapack_dgemm(
      right.operation,
      left.operation,
      Int32(extents.columns),
      Int32(extents.rows),
      Int32(extents.inner),
      right.elements,
      Int32(max(right.stride, 1)),
      left.elements,
      Int32(max(left.stride, 1)),
      target,
      Int32(max(extents.columns, 1))
    )
  }
}

/// The triangular factor of a system, as LAPACK sees it: column by column.
struct TriangularFactor<Scalar: LinearAlgebraScalar> {
  let elements: UnsafePointer<Scalar>
  let extent: Int
  /// The distance between two columns in elements.
  let stride: Int
  /// `.upper` or `.lower`.
  let triangle: CChar
  /// `.unitDiagonal` or `.none`.
  var diagonal = CChar.none

  /// Replaces the column-major Y with `rows` rows by Y·T⁻¹ or Y·T⁻ᵀ.
  ///
  /// A row-major system A·X = B is, column by column, Xᵀ·Aᵀ = Bᵀ: solving from the right needs no
  /// transposition of B or X, however many columns they have.
  func divide(_ y: UnsafeMutablePointer<Scalar>, rows: Int, transposed: Bool = false) {
    let operation: CChar = transposed ? .transposed : .none
    let (n, p) = (Int32(extent), Int32(rows))
    let (columnStride, rowStride) = (Int32(max(stride, 1)), max(p, 1))
    let solve = Scalar.lapack.trsmRight
    solve(triangle, operation, diagonal, p, n, elements, columnStride, y, rowStride)
  }
}
