import CLAPACK
import LinearAlgebra
import Tensor
import TestSupport
import Testing

/// Matrices in leading axes, threads, and the library underneath.
@Suite struct StackTests {
  static let matrices = (0..<6).map { normalMatrix(4, 3, seed: UInt64($0 + 20)) }
  static let squares = (0..<6).map { positiveMatrix(4, seed: UInt64($0 + 20)) }
  static let tall = stack(matrices).reshaped(to: [2, 3, 4, 3])
  static let positive = stack(squares).reshaped(to: [2, 3, 4, 4])

  private func expectEach(
    _ found: Tensor<Double>,
    _ expected: [Tensor<Double>],
    _ comment: String
  ) {
    let single = expected[0].shape.extents
    #expect(found.shape == Shape([2, 3] + single), "\(comment)")
    #expect(found.elements == expected.flatMap(\.elements), "\(comment)")
  }

  @Test func spectraOfStacks() throws {
    let svd = try Self.tall.singularValueDecomposition()
    let singles = try Self.matrices.map { try $0.singularValueDecomposition() }
    expectEach(svd.left, singles.map(\.left), "left")
    expectEach(svd.singularValues, singles.map(\.singularValues), "values")
    expectEach(svd.rightTransposed, singles.map(\.rightTransposed), "right")
    expectEach(svd.polarFactor(), singles.map { $0.polarFactor() }, "polar")
    expectEach(svd.reconstructed(), singles.map { $0.reconstructed() }, "rebuilt")
    expectEach(
      svd.truncated(to: 2).reconstructed(),
      singles.map { $0.truncated(to: 2).reconstructed() },
      "truncated"
    )
    expectEach(
      try Self.tall.pseudoInverse(),
      try Self.matrices.map { try $0.pseudoInverse() },
      "pseudo-inverse"
    )
    expectEach(
      try Self.tall.nuclearNorm(),
      try Self.matrices.map { try $0.nuclearNorm() },
      "nuclear norm"
    )
    expectEach(Self.tall.frobeniusNorm(), Self.matrices.map { $0.frobeniusNorm() }, "norm")
    #expect(try Self.tall.matrixRank().elements == [3, 3, 3, 3, 3, 3])
    let eigen = try Self.positive.symmetricEigen()
    expectEach(eigen.values, try Self.squares.map { try $0.symmetricEigen().values }, "values")
    expectEach(eigen.vectors, try Self.squares.map { try $0.symmetricEigen().vectors }, "vectors")
    let largest = try Self.positive.symmetricEigen(largest: 2)
    let largestOfEach = try Self.squares.map { try $0.symmetricEigen(largest: 2) }
    expectEach(largest.vectors, largestOfEach.map(\.vectors), "largest")
  }

  @Test func factorizationsOfStacks() throws {
    let qr = try Self.tall.qrDecomposition(complete: true)
    let singles = try Self.matrices.map { try $0.qrDecomposition(complete: true) }
    expectEach(qr.q, singles.map(\.q), "q")
    expectEach(qr.r, singles.map(\.r), "r")
    expectEach(try Self.positive.cholesky(), try Self.squares.map { try $0.cholesky() }, "cholesky")
    expectEach(try Self.positive.inverse(), try Self.squares.map { try $0.inverse() }, "inverse")
    expectEach(
      try Self.positive.positiveDefiniteInverse(),
      try Self.squares.map { try $0.positiveDefiniteInverse() },
      "positive definite inverse"
    )
    expectEach(
      try Self.positive.matrixSquareRoot(),
      try Self.squares.map { try $0.matrixSquareRoot() },
      "square root"
    )
    expectEach(
      try Self.positive.determinant(),
      try Self.squares.map { try $0.determinant() },
      "determinant"
    )
    expectEach(
      try Self.positive.logDeterminant().logarithm,
      try Self.squares.map { try $0.logDeterminant().logarithm },
      "log determinant"
    )
  }

  @Test func solutionsOfStacks() throws {
    let (positive, squares) = (Self.positive, Self.squares)
    let right = Self.tall
    let sides = Self.matrices
    let pairs = Array(zip(squares, sides))
    expectEach(try positive.solve(right), try pairs.map { try $0.solve($1) }, "solve")
    expectEach(
      try positive.solvePositiveDefinite(right),
      try pairs.map { try $0.solvePositiveDefinite($1) },
      "positive definite"
    )
    expectEach(
      try positive.solveTriangular(right, .upper),
      try pairs.map { try $0.solveTriangular($1, .upper) },
      "triangular"
    )
    for method in [LeastSquaresMethod.singularValues(), .qr] {
      expectEach(
        try positive.leastSquares(right, method: method),
        try pairs.map { try $0.leastSquares($1, method: method) },
        "least squares"
      )
    }
    let vectors = stack(sides.map { Tensor(Array($0.elements[0..<4])) }).reshaped(to: [2, 3, 4])
    expectEach(
      try positive.solve(vectors),
      try pairs.map { try $0.solve(Tensor(Array($1.elements[0..<4]))) },
      "vectors"
    )
  }

  @Test func emptyStacks() throws {
    let none = Tensor<Double>.zeros([0, 3, 3])
    #expect(try none.singularValues().shape == [0, 3])
    #expect(try none.cholesky().shape == [0, 3, 3])
    #expect(try none.solve(.zeros([0, 3, 2])).shape == [0, 3, 2])
    #expect(try none.determinant().shape == [0])
  }

  @Test func largeStacksAreTheSameOnAnyThread() throws {
    // Enough work for several parts of the pool.
    let big = stack((0..<8).map { positiveMatrix(48, seed: UInt64($0)) })
    let (svd, factor) = (try big.singularValueDecomposition(), try big.cholesky())
    for position in 0..<8 {
      let single = big[position]
      #expect(try single.singularValueDecomposition().left == svd.left[position])
      #expect(try single.cholesky() == factor[position])
    }
  }

  @Test func theFirstBadMatrixIsNamed() {
    var matrices = (0..<8).map { positiveMatrix(48, seed: UInt64($0)) }
    for bad in [6, 3] { matrices[bad] = scaled(matrices[bad], by: -1) }
    let error = #expect(throws: LinearAlgebraError.self) {
      try stack(matrices).reshaped(to: [4, 2, 48, 48]).cholesky()
    }
    #expect(error.map(String.init(describing:))?.contains("matrix [1, 1] of [4×2×48×48]") == true)
  }

  @Test func theLibraryRunsOnOneThread() throws {
    _ = try identity(2).cholesky()
    #expect(LAPACKLibrary.threadCount == 1)
    #expect(clapack_threads() <= 1)
    #expect(!LAPACKLibrary.configuration.isEmpty)
  }

  @Test func moreThreadsAreForThoseWhoAsk() async {
    await #expect(processExitsWith: .success) {
      LAPACKLibrary.threadCount = 2
      let a = positiveMatrix(200)
      let factor = try a.cholesky()
      precondition(LAPACKLibrary.threadCount == 2)
      precondition(clapack_threads() == 2 || clapack_threading() != 1)
      let rebuilt = product(factor, transpose(factor))
      precondition(largest(sum(rebuilt, scaled(a, by: -1))) < 1e-9)
      LAPACKLibrary.threadCount = 0
      precondition(LAPACKLibrary.threadCount == 1)
    }
  }
}
