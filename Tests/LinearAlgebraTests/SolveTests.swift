import LinearAlgebra
import Tensor
import TestSupport
import Testing

@Suite struct SolveTests {
  @Test(arguments: squareExtents, [0, 1, 3, 40])
  func solvesGeneralAndPositiveSystems(extent: Int, columns: Int) throws {
    let x = normalMatrix(extent, columns, seed: 9)
    let a = sum(normalMatrix(extent, extent), scaled(identity(extent), by: 3))
    expectSame(try a.solve(product(a, x)), x, absolute: 1e-9)
    let positive = positiveMatrix(extent)
    expectSame(try positive.solvePositiveDefinite(product(positive, x)), x, absolute: 1e-9)
    let single = try narrow(positive).solvePositiveDefinite(narrow(product(positive, x)))
    expectSame(wide(single), x, absolute: 0.02)
  }

  @Test func singlePrecisionSolvesWellConditionedSystems() throws {
    let x = normalMatrix(40, 3, seed: 9)
    let a = sum(normalMatrix(40, 40), scaled(identity(40), by: 20))
    let single = try narrow(a).solve(narrow(product(a, x)))
    expectSame(wide(single), x, absolute: 1e-4)
    expectSame(wide(try narrow(a).inverse()), try a.inverse(), absolute: 1e-5)
  }

  @Test func vectorsAreRightHandSides() throws {
    let a = positiveMatrix(6)
    let x = normalMatrix(6, 1, seed: 9)
    let b = product(a, x)
    let vector = b.reshaped(to: [6])
    let factor = try a.cholesky()
    for solution in [
      try a.solve(vector), try a.solvePositiveDefinite(vector), try a.leastSquares(vector),
      try a.leastSquares(vector, method: .qr),
      try factor.solveTriangular(
        factor.solveTriangular(vector, .lower),
        .lower,
        transposed: true
      ),
    ] {
      expectSame(solution, x.reshaped(to: [6]), absolute: 1e-10)
    }
  }

  @Test(arguments: squareExtents, Triangle.allCases)
  func solvesTriangularSystems(extent: Int, triangle: Triangle) throws {
    let noise = scaled(normalMatrix(extent, extent), by: 0.1)
    let matrix = sum(noise, scaled(identity(extent), by: 2))
    let x = normalMatrix(extent, 3, seed: 9)
    for transposed in [false, true] {
      let half = triangular(matrix, triangle)
      let t = transposed ? transpose(half) : half
      expectSame(
        try matrix.solveTriangular(product(t, x), triangle, transposed: transposed),
        x,
        absolute: 1e-9
      )
      let unit = Tensor(
        t.elements.enumerated().map { $0 / extent == $0 % extent ? 1 : $1 },
        shape: t.shape
      )
      expectSame(
        try matrix.solveTriangular(
          product(unit, x),
          triangle,
          transposed: transposed,
          unitDiagonal: true
        ),
        x,
        absolute: 1e-6 * (1 + largest(product(unit, x)))
      )
    }
  }

  @Test func rowExchangesAreUndone() throws {
    // A cyclic shift: elimination must exchange every row.
    let shift = Tensor<Double>([0, 1, 0, 0, 0, 1, 1, 0, 0], shape: [3, 3])
    let b = Tensor<Double>([1, 2, 3, 4, 5, 6], shape: [3, 2])
    #expect(try shift.solve(b).elements == [5, 6, 1, 2, 3, 4])
    #expect(try shift.inverse() == transpose(shift))
    #expect(try shift.determinant().item == 1)
  }

  @Test func singularSystemsNameThePivot() {
    let a = Tensor<Double>([1, 2, 3, 2, 4, 6, 0, 1, 1], shape: [3, 3])
    for operation in [{ try a.solve(identity(3)) }, { try a.inverse() }] {
      let error = #expect(throws: LinearAlgebraError.self) { _ = try operation() }
      guard case .singular(let pivot, _) = error else {
        Issue.record("found \(String(describing: error))")
        return
      }
      #expect(pivot >= 1)
    }
    let triangle = Tensor<Float>([1, 0, 5, 0], shape: [2, 2])
    #expect(throws: LinearAlgebraError.self) {
      try triangle.solveTriangular(Tensor<Float>.ones([2]), .lower)
    }
    #expect(throws: Never.self) {
      try triangle.solveTriangular(Tensor<Float>.ones([2]), .lower, unitDiagonal: true)
    }
  }

  @Test(arguments: [[9, 4], [4, 9], [5, 5], [1, 1], [7, 1], [1, 7], [60, 35], [35, 60]])
  func leastSquaresSatisfiesTheNormalEquations(extents: [Int]) throws {
    let (m, n) = (extents[0], extents[1])
    let a = normalMatrix(m, n)
    let b = normalMatrix(m, 3, seed: 11)
    let x = try a.leastSquares(b)
    let residual = sum(product(a, x), scaled(b, by: -1))
    #expect(largest(product(transpose(a), residual)) < 1e-10)
    // The smallest solution is orthogonal to the null space: X = A⁺·A·X.
    expectSame(product(product(try a.pseudoInverse(), a), x), x, absolute: 1e-10)
    expectSame(try a.leastSquares(b, method: .qr), x, absolute: 1e-10)
    let single = try narrow(a).leastSquares(narrow(b))
    expectSame(wide(single), x, absolute: 1e-5 * (1 + largest(x)))
    let singleQR = try narrow(a).leastSquares(narrow(b), method: .qr)
    expectSame(wide(singleQR), x, absolute: 1e-2 * (1 + largest(x)))
  }

  @Test(arguments: [[0, 3], [3, 0], [0, 0]])
  func leastSquaresOfEmptyMatrices(extents: [Int]) throws {
    let a = Tensor<Double>.zeros(Shape(extents))
    let b = Tensor<Double>.zeros([extents[0], 2])
    for method in [LeastSquaresMethod.singularValues(), .qr] {
      #expect(try a.leastSquares(b, method: method) == .zeros([extents[1], 2]))
    }
  }

  @Test func leastSquaresOfRankDeficientMatrices() throws {
    let a = product(normalMatrix(8, 2), normalMatrix(2, 5, seed: 5))
    let b = normalMatrix(8, 1, seed: 6)
    let x = try a.leastSquares(b)
    expectSame(x, product(try a.pseudoInverse(), b), absolute: 1e-10)
    #expect(largest(x) < 100)
    for matrix in [a, transpose(a)] {
      let right = normalMatrix(matrix.shape[0], 1)
      let error = #expect(throws: LinearAlgebraError.self) {
        try matrix.leastSquares(right, method: .qr)
      }
      guard case .rankDeficient(let rank, _) = error else {
        Issue.record("found \(String(describing: error))")
        return
      }
      #expect(rank == 2)
    }
    #expect(try Tensor<Double>.zeros([3, 2]).leastSquares(.zeros([3, 1])) == .zeros([2, 1]))
    let loose = try identity(2).leastSquares(
      Tensor([1, 1], shape: [2]),
      method: .singularValues(relativeTolerance: 2)
    )
    #expect(loose == .zeros([2]))
  }
}
