import Autograd
import Tensor

// The gradients are computed in double precision, from factors in double precision: they divide by
// differences of eigenvalues and by triangular factors.

extension Variable {
  /// The value in double precision.
  var wide: Tensor<Double> { value.converted(to: Double.self) }

  /// One of the results of a factorization of self, whose gradient comes back through `pullback`.
  func derived(
    _ result: Tensor<Double>,
    pullback: @escaping (Tensor<Double>) -> Tensor<Double>
  ) -> Variable {
    .custom(result.converted(to: Float.self), input: self) { gradient in
      pullback(gradient.converted(to: Double.self)).converted(to: Float.self)
    }
  }
}

extension Tensor where Element == Double {
  /// Columns times values: A · diag(v) for A [… × m × n] and v [… × n].
  func scalingColumns(by values: Tensor) -> Tensor { self * values.expandingDimensions(at: -2) }

  /// Rows times values: diag(v) · A for v [… × m].
  func scalingRows(by values: Tensor) -> Tensor { self * values.expandingDimensions(at: -1) }

  /// Every element times a weight that depends on its row and column.
  func weighted(_ weight: (_ row: Int, _ column: Int) -> Double) -> Tensor {
    let (rows, columns) = (shape[-2], shape[-1])
    let weights = (0..<rows * columns).map { weight($0 / columns, $0 % columns) }
    return self * Tensor(weights, shape: [rows, columns])
  }

  /// (A + Aᵀ) / 2.
  func symmetrized() -> Tensor { (self + transposed()) * 0.5 }

  /// The lower triangle with half of the diagonal.
  func lowerWithHalfDiagonal() -> Tensor { weighted { $0 > $1 ? 1 : $0 == $1 ? 0.5 : 0 } }

  /// Numbers of a stack as [… × 1 × 1], to multiply each matrix by its own.
  func asFactors() -> Tensor { expandingDimensions(at: -1).expandingDimensions(at: -1) }

  /// 1 / (v_j − v_i) at row i and column j; 0 on the diagonal and where two values are equal but for
  /// rounding, which have no gradient of their own.
  func inverseDifferences() -> Tensor {
    let differences = expandingDimensions(at: -2) - expandingDimensions(at: -1)
    guard count > 0 else { return differences }
    let largest = max(axes: [rank - 1], keepingDimensions: true)
    let smallest = min(axes: [rank - 1], keepingDimensions: true)
    let scale = maximum(largest, -smallest).expandingDimensions(at: -1) * (16 * Double.ulpOfOne)
    let isApart = maximum(differences, -differences) .> scale
    return select(isApart, 1 / select(isApart, differences, Tensor(scalar: 1)), Tensor(scalar: 0))
  }
}

/// What `body` gives; NaN everywhere if a matrix is singular, as division by zero gives.
func notANumberIfSingular(
  _ shape: Shape,
  _ body: () throws(LinearAlgebraError) -> Tensor<Double>
) -> Tensor<Double> {
  do throws(LinearAlgebraError) { return try body() } catch {
    return Tensor(repeating: .nan, shape: shape)
  }
}
