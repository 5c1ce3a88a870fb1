import LinearAlgebra
import Tensor
import TestSupport
import Testing

/// Extents of test matrices: empty, single rows and columns, tall, wide, beyond LAPACK's blocks.
let matrixExtents: [[Int]] = [
  [0, 0], [0, 3], [3, 0], [1, 1], [1, 7], [7, 1], [2, 2], [5, 5], [3, 17], [17, 3], [33, 32],
  [64, 24], [24, 64], [130, 70], [70, 130],
]
/// Extents of square test matrices.
let squareExtents = [0, 1, 2, 3, 5, 17, 64, 100]

/// A matrix of normal numbers that are exact in single precision.
func normalMatrix(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> Tensor<Double> {
  var generator = Philox(seed: seed)
  return wide(Tensor<Float>.normal([rows, columns], using: &generator))
}

/// A symmetric matrix whose eigenvalues are at least 1 or so.
func positiveMatrix(_ extent: Int, seed: UInt64 = 2) -> Tensor<Double> {
  let root = normalMatrix(extent, extent, seed: seed)
  return sum(product(root, transpose(root)), identity(extent))
}

func identity(_ extent: Int) -> Tensor<Double> {
  var elements = [Double](repeating: 0, count: extent * extent)
  for index in 0..<extent { elements[index * extent + index] = 1 }
  return Tensor(elements, shape: [extent, extent])
}

/// The elements with those outside a triangle set to zero.
func triangular(_ matrix: Tensor<Double>, _ triangle: Triangle) -> Tensor<Double> {
  let columns = matrix.shape[1]
  let elements = matrix.elements.enumerated().map { index, value in
    let (row, column) = (index / columns, index % columns)
    return (triangle == .lower ? column <= row : column >= row) ? value : 0
  }
  return Tensor(elements, shape: matrix.shape)
}

/// The naive product of two matrices, of a vector of columns, in Double.
func product(_ left: Tensor<Double>, _ right: Tensor<Double>) -> Tensor<Double> {
  let (m, k, n) = (left.shape[0], left.shape[1], right.shape[1])
  let (a, b) = (left.elements, right.elements)
  var result = [Double](repeating: 0, count: m * n)
  for row in 0..<m {
    for inner in 0..<k {
      let factor = a[row * k + inner]
      for column in 0..<n { result[row * n + column] += factor * b[inner * n + column] }
    }
  }
  return Tensor(result, shape: [m, n])
}

func transpose(_ matrix: Tensor<Double>) -> Tensor<Double> {
  let (rows, columns) = (matrix.shape[0], matrix.shape[1])
  let source = matrix.elements
  let elements = (0..<rows * columns).map { source[$0 % rows * columns + $0 / rows] }
  return Tensor(elements, shape: [columns, rows])
}

func sum(_ left: Tensor<Double>, _ right: Tensor<Double>) -> Tensor<Double> {
  Tensor(zip(left.elements, right.elements).map(+), shape: left.shape)
}

func scaled(_ matrix: Tensor<Double>, by factor: Double) -> Tensor<Double> {
  Tensor(matrix.elements.map { $0 * factor }, shape: matrix.shape)
}

func diagonal(_ values: [Double], rows: Int, columns: Int) -> Tensor<Double> {
  var elements = [Double](repeating: 0, count: rows * columns)
  for (index, value) in values.enumerated() { elements[index * columns + index] = value }
  return Tensor(elements, shape: [rows, columns])
}

/// Matrices of the same shape, one behind another.
func stack(_ matrices: [Tensor<Double>]) -> Tensor<Double> {
  let shape = Shape([matrices.count] + (matrices.first?.shape.extents ?? []))
  return Tensor(matrices.flatMap(\.elements), shape: shape)
}

func wide(_ tensor: Tensor<Float>) -> Tensor<Double> {
  Tensor(tensor.elements.map { Double($0) }, shape: tensor.shape)
}

func narrow(_ tensor: Tensor<Double>) -> Tensor<Float> {
  Tensor(tensor.elements.map { Float($0) }, shape: tensor.shape)
}

/// The largest magnitude, 0 without elements.
func largest(_ tensor: Tensor<Double>) -> Double { tensor.elements.map(\.magnitude).max() ?? 0 }

func expectSame(
  _ found: Tensor<Double>,
  _ expected: Tensor<Double>,
  absolute: Double,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.shape == expected.shape else {
    Issue.record(
      "\(comment): shape \(found.shape), expected \(expected.shape)",
      sourceLocation: sourceLocation
    )
    return
  }
  expectClose(
    found.elements,
    expected.elements,
    absolute: absolute,
    comment,
    sourceLocation: sourceLocation
  )
}

/// Expects that the columns of a matrix are orthonormal.
func expectOrthonormalColumns(
  _ matrix: Tensor<Double>,
  absolute: Double = 1e-12,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expectSame(
    product(transpose(matrix), matrix),
    identity(matrix.shape[1]),
    absolute: absolute,
    "orthonormal columns",
    sourceLocation: sourceLocation
  )
}
