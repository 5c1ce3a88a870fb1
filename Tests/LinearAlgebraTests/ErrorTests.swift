import LinearAlgebra
import Tensor
import TestSupport
import Testing

@Suite struct LinearAlgebraErrorTests {
  typealias Operation = @Sendable (Tensor<Double>) throws -> Void

  /// Each operation under its name in messages.
  static let operations: [(String, Operation)] = [
    ("singular value decomposition", { _ = try $0.singularValueDecomposition() }),
    ("singular values", { _ = try $0.singularValues() }),
    ("symmetric eigen", { _ = try $0.symmetricEigen() }),
    ("symmetric eigenvalues", { _ = try $0.symmetricEigenvalues() }),
    ("symmetric eigen", { _ = try $0.symmetricEigen(largest: 1) }),
    ("QR decomposition", { _ = try $0.qrDecomposition() }),
    ("cholesky", { _ = try $0.cholesky() }),
    ("positive definite inverse", { _ = try $0.positiveDefiniteInverse() }),
    ("solve", { _ = try $0.solve(identity(3)) }),
    ("solve positive definite", { _ = try $0.solvePositiveDefinite(identity(3)) }),
    ("solve triangular", { _ = try $0.solveTriangular(identity(3), .lower) }),
    ("inverse", { _ = try $0.inverse() }),
    ("determinant", { _ = try $0.determinant() }),
    ("log determinant", { _ = try $0.logDeterminant() }),
    ("least squares", { _ = try $0.leastSquares(identity(3)) }),
    ("least squares", { _ = try $0.leastSquares(identity(3), method: .qr) }),
    ("pseudo-inverse", { _ = try $0.pseudoInverse() }),
    ("polar factor", { _ = try $0.polarFactor() }),
    ("matrix square root", { _ = try $0.matrixSquareRoot() }),
    ("nuclear norm", { _ = try $0.nuclearNorm() }),
    ("spectral norm", { _ = try $0.spectralNorm() }),
    ("condition number", { _ = try $0.conditionNumber() }),
    ("matrix rank", { _ = try $0.matrixRank() }),
  ]

  @Test(arguments: operations.indices, [Double.nan, .infinity, -.infinity])
  func inputThatIsNotFiniteIsRefused(index: Int, value: Double) {
    let (name, operation) = Self.operations[index]
    let a = Tensor<Double>([4, 0, 0, 0, 4, 0, 0, value, 4], shape: [3, 3])
    let error = #expect(throws: LinearAlgebraError.self) { try operation(a) }
    guard case .notFinite(row: 2, column: 1, let place) = error else {
      Issue.record("\(name): found \(String(describing: error))")
      return
    }
    #expect(place.operation == name)
    #expect(place.shape == [3, 3])
  }

  @Test func rightHandSidesThatAreNotFiniteAreRefused() {
    let b = Tensor<Double>([1, 2, .nan], shape: [3])
    for operation in [
      { try identity(3).solve(b) }, { try identity(3).solvePositiveDefinite(b) },
      { try identity(3).solveTriangular(b, .upper) }, { try identity(3).leastSquares(b) },
      { try identity(3).leastSquares(b, method: .qr) },
    ] {
      let error = #expect(throws: LinearAlgebraError.self) { _ = try operation() }
      let text = error.map(String.init(describing:)) ?? ""
      #expect(text.contains("right-hand side of [3×1]: the element at row 2, column 0"))
    }
  }

  @Test func floatsThatAreNotFiniteAreRefused() {
    var elements = [Float](repeating: 1, count: 70 * 70)
    elements[69 * 70 + 1] = .infinity
    let a = Tensor(elements, shape: [70, 70])
    let error = #expect(throws: LinearAlgebraError.self) { try a.solve(a) }
    guard case .notFinite(row: 69, column: 1, _)? = error else {
      Issue.record("found \(String(describing: error))")
      return
    }
  }

  @Test func extentsBeyondLAPACKAreRefused() {
    // Nothing is stored: there are no rows.
    let wide = Tensor<Float>.zeros([2, 0, 3_000_000_000])
    let square = Tensor<Float>.zeros([0, 300_000_000, 300_000_000])
    for operation in [
      { _ = try wide.singularValues() }, { _ = try wide.matrixRank() },
      { _ = try wide.qrDecomposition() }, { _ = try wide.leastSquares(.zeros([2, 0])) },
    ] {
      let error = #expect(throws: LinearAlgebraError.self) { try operation() }
      guard case .tooLarge(let place) = error else {
        Issue.record("found \(String(describing: error))")
        continue
      }
      #expect(place.shape == [2, 0, 3_000_000_000])
    }
    #expect(throws: Never.self) { try square.cholesky() }
  }

  @Test func textsSayWhatWhichAndWhatToDo() {
    let negative = #expect(throws: LinearAlgebraError.self) {
      try stack([identity(2), Tensor([1, 2, 2, 1], shape: [2, 2])]).cholesky()
    }
    #expect(
      negative?.description
        == "cholesky of matrix [1] of [2×2×2]: not positive definite, the leading minor of order 2 "
        + "is not positive; add a small multiple of the identity, or use symmetricEigen()"
    )
    let singular = #expect(throws: LinearAlgebraError.self) {
      try Tensor<Double>([0, 1, 0, 2], shape: [2, 2]).solveTriangular(.zeros([2]), .upper)
    }
    #expect(
      singular?.description
        == "solve triangular of [2×2]: singular, pivot 0 is exactly zero; "
        + "add a small multiple of the identity, or use leastSquares or pseudoInverse()"
    )
  }
}

/// A call that breaks a contract, and what the message must say.
enum BrokenMatrixContract: String, CaseIterable, Codable {
  case vector, rectangular, rows, batch, rank, largest, truncation

  var message: String {
    switch self {
    case .vector: "singular values: a matrix is needed, found [3]"
    case .rectangular: "cholesky: a square matrix is needed, found [2×3]"
    case .rows: "solve: the right-hand side does not fit, [2×2] · [3×2]"
    case .batch: "least squares: the right-hand side does not fit, [4×2×2] · [3×2×2]"
    case .rank: "solve triangular: the right-hand side does not fit, [2×2] · [2×2×2]"
    case .largest: "symmetric eigen: the largest 3 of 2 eigenvalues, [2×2]"
    case .truncation: "truncate: rank 3, [2] holds 2 singular values"
    }
  }

  func commit() throws {
    let a = identity(2)
    switch self {
    case .vector: _ = try Tensor<Float>.zeros([3]).singularValues()
    case .rectangular: _ = try Tensor<Float>.zeros([2, 3]).cholesky()
    case .rows: _ = try a.solve(.zeros([3, 2]))
    case .batch: _ = try Tensor<Double>.zeros([4, 2, 2]).leastSquares(.zeros([3, 2, 2]))
    case .rank: _ = try a.solveTriangular(.zeros([2, 2, 2]), .lower)
    case .largest: _ = try a.symmetricEigen(largest: 3)
    case .truncation: _ = try a.singularValueDecomposition().truncated(to: 3)
    }
  }
}

@Suite struct MatrixContractTests {
  @Test(arguments: BrokenMatrixContract.allCases)
  func stopsWithAMessageThatShowsTheShapes(broken: BrokenMatrixContract) async throws {
    let result = try await #require(
      processExitsWith: .failure,
      observing: [\.standardErrorContent]
    ) { [broken = broken as BrokenMatrixContract] in
      try broken.commit()
    }
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains(broken.message), "the message was: \(text)")
  }
}
