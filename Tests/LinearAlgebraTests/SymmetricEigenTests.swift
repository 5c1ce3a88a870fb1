import LinearAlgebra
import Tensor
import TestSupport
import Testing

@Suite struct SymmetricEigenTests {
  static func symmetric(_ extent: Int) -> Tensor<Double> {
    let a = normalMatrix(extent, extent, seed: 7)
    return scaled(sum(a, transpose(a)), by: 0.5)
  }

  @Test(arguments: squareExtents)
  func vectorsDiagonalizeTheMatrix(extent: Int) throws {
    let a = Self.symmetric(extent)
    let eigen = try a.symmetricEigen()
    #expect(eigen.values.shape == [extent])
    let values = eigen.values.elements
    #expect(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 })
    expectOrthonormalColumns(eigen.vectors)
    expectSame(
      product(a, eigen.vectors),
      product(eigen.vectors, diagonal(values, rows: extent, columns: extent)),
      absolute: 1e-12 * Double(extent + 1)
    )
    expectClose(try a.symmetricEigenvalues().elements, values, absolute: 1e-11)
  }

  @Test(arguments: squareExtents)
  func theLargestAreTheLastOfAll(extent: Int) throws {
    let a = Self.symmetric(extent)
    let all = try a.symmetricEigen()
    for count in Set([0, min(1, extent), extent / 2, extent]) {
      let some = try a.symmetricEigen(largest: count)
      #expect(some.vectors.shape == [extent, count])
      expectClose(
        some.values.elements,
        Array(all.values.elements.suffix(count)),
        absolute: 1e-11
      )
      expectOrthonormalColumns(some.vectors, absolute: 1e-10)
      expectSame(
        product(a, some.vectors),
        product(
          some.vectors,
          diagonal(some.values.elements, rows: count, columns: count)
        ),
        absolute: 1e-11 * Double(extent + 1)
      )
    }
  }

  @Test func onlyTheLowerTriangleIsRead() throws {
    let a = Self.symmetric(5)
    var elements = a.elements
    for row in 0..<5 {
      for column in row + 1..<5 { elements[row * 5 + column] = .nan }
    }
    let half = Tensor(elements, shape: a.shape)
    #expect(try half.symmetricEigen().values == a.symmetricEigen().values)
    #expect(try half.symmetricEigen(largest: 2).values == a.symmetricEigen(largest: 2).values)
    #expect(try half.symmetricEigenvalues() == a.symmetricEigenvalues())
    let positive = positiveMatrix(5)
    var lower = positive.elements
    for row in 0..<5 {
      for column in row + 1..<5 { lower[row * 5 + column] = .nan }
    }
    let lowerHalf = Tensor(lower, shape: positive.shape)
    #expect(try lowerHalf.cholesky() == positive.cholesky())
    #expect(try lowerHalf.positiveDefiniteInverse() == positive.positiveDefiniteInverse())
    #expect(try lowerHalf.matrixSquareRoot() == positive.matrixSquareRoot())
  }

  @Test(arguments: squareExtents)
  func squareRootSquaresToTheMatrix(extent: Int) throws {
    let a = positiveMatrix(extent)
    let root = try a.matrixSquareRoot()
    expectSame(product(root, root), a, absolute: 1e-12 * (1 + largest(a)) * Double(extent + 1))
    #expect(root == transpose(root))
    #expect(try root.symmetricEigenvalues().elements.allSatisfy { $0 >= 0 })
  }

  @Test func squareRootOfSemidefiniteMatrices() throws {
    let half = normalMatrix(6, 2)
    let a = product(half, transpose(half))
    let root = try a.matrixSquareRoot()
    expectSame(product(root, root), a, absolute: 1e-12)
    #expect(try Tensor<Float>.zeros([3, 3]).matrixSquareRoot() == .zeros([3, 3]))
    let floats = narrow(a)
    let floatRoot = wide(try floats.matrixSquareRoot())
    expectSame(product(floatRoot, floatRoot), wide(floats), absolute: 1e-4)
  }

  @Test func squareRootRefusesNegativeEigenvalues() {
    let error = #expect(throws: LinearAlgebraError.self) {
      try Tensor<Double>([1, 0, 0, -2], shape: [2, 2]).matrixSquareRoot()
    }
    guard case .notPositiveSemidefinite(let eigenvalue, _) = error else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(abs(eigenvalue + 2) < 1e-12)
  }
}
