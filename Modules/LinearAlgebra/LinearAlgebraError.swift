public import Tensor

/// Where a matrix that cannot be factored lies.
public struct MatrixPlace: Hashable, Sendable {
  /// What was computed, and of which operand where there are several.
  public let operation: String
  /// The shape of the whole tensor.
  public let shape: Shape
  /// The indices of the matrix along the leading axes; empty for a single matrix.
  public let index: [Int]
}

extension MatrixPlace: CustomStringConvertible {
  /// `cholesky of [4×4]`, or `cholesky of matrix [1, 0] of [3×2×4×4]`.
  public var description: String {
    "\(operation) of " + (index.isEmpty ? "" : "matrix \(index) of ") + "\(shape)"
  }
}

/// Why the numbers of a matrix did not permit what was asked.
///
/// Each case names the matrix. Shapes that do not fit are errors of the programmer and stop the
/// program instead.
public enum LinearAlgebraError: Error, Equatable, Sendable {
  /// An element is NaN or infinite; LAPACK may not return from such input.
  case notFinite(row: Int, column: Int, in: MatrixPlace)
  /// The leading block of `minor` rows and columns is not positive definite.
  case notPositiveDefinite(minor: Int, in: MatrixPlace)
  /// An eigenvalue is negative beyond rounding.
  case notPositiveSemidefinite(eigenvalue: Double, in: MatrixPlace)
  /// The elimination met an exact zero: row `pivot` depends on the rows before it.
  ///
  /// For a triangular matrix, the element of the diagonal that is zero. Counted from 0.
  case singular(pivot: Int, in: MatrixPlace)
  /// Rows or columns are dependent to rounding: only about `rank` of them are not.
  case rankDeficient(rank: Int, in: MatrixPlace)
  /// The iteration left `unconverged` values open.
  case notConverged(unconverged: Int, in: MatrixPlace)
  /// An extent, or the workspace, is beyond the 32-bit integers of LAPACK.
  case tooLarge(in: MatrixPlace)
}

extension LinearAlgebraError: CustomStringConvertible {
  /// The operation, the matrix, what is wrong, and what to do.
  public var description: String {
    switch self {
    case .notFinite(let row, let column, let place):
      "\(place): the element at row \(row), column \(column) is not finite; "
        + "look for an overflow or a division by zero where the matrix was made"
    case .notPositiveDefinite(let minor, let place):
      "\(place): not positive definite, the leading minor of order \(minor) is not positive; "
        + "add a small multiple of the identity, or use symmetricEigen()"
    case .notPositiveSemidefinite(let eigenvalue, let place):
      "\(place): not positive semidefinite, an eigenvalue is \(eigenvalue); "
        + "add a multiple of the identity, or clamp the values of symmetricEigen()"
    case .singular(let pivot, let place):
      "\(place): singular, pivot \(pivot) is exactly zero; "
        + "add a small multiple of the identity, or use leastSquares or pseudoInverse()"
    case .rankDeficient(let rank, let place):
      "\(place): the rank is about \(rank), less than the smaller extent; "
        + "use the method .singularValues"
    case .notConverged(let unconverged, let place):
      "\(place): no convergence, \(unconverged) values are open; "
        + "bring the elements closer to 1 by a common factor, or report the matrix"
    case .tooLarge(let place):
      "\(place): too large for LAPACK, whose integers have 32 bits; factor smaller blocks"
    }
  }
}
