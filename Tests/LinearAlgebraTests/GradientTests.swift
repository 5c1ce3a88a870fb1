import Autograd
import LinearAlgebra
import Tensor
import Testing

/// Gradients of factorizations and solutions against central differences in double precision.
@Suite struct GradientTests {
  /// The gradients of Σ w ⊙ f(inputs), and their central differences, agree.
  ///
  /// `function` and `reference` are one definition, for variables and for doubles.
  private func check(
    _ name: String,
    _ shapes: [Shape],
    seed: UInt64 = 1,
    tolerance: Double = 2e-4,
    _ function: ([Variable]) throws -> Variable,
    reference: ([Tensor<Double>]) throws -> Tensor<Double>
  ) throws {
    var generator = Philox(seed: seed)
    let inputs = shapes.map { Tensor<Float>.normal($0, using: &generator) }
    let followed = inputs.map { Variable(following: $0) }
    let output = try function(followed)
    let weights = Tensor<Float>.normal(output.shape, using: &generator)
    output.backward(from: weights)
    let wide = inputs.map { $0.converted(to: Double.self) }
    let value = try reference(wide)
    #expect(value.shape == output.shape, "\(name)")
    expectNear(output.value.converted(to: Double.self), value, 1e-5, "\(name): value")
    for (index, input) in wide.enumerated() {
      let numeric = try (0..<input.count).map { place in
        try Self.derivative(of: reference, wide, index, place, weights.converted(to: Double.self))
      }
      let found = try #require(followed[index].gradient, "\(name): input \(index)")
      expectNear(
        found.converted(to: Double.self),
        Tensor(numeric, shape: input.shape),
        tolerance,
        "\(name): gradient of input \(index)"
      )
    }
  }

  private static func derivative(
    of function: ([Tensor<Double>]) throws -> Tensor<Double>,
    _ inputs: [Tensor<Double>],
    _ index: Int,
    _ place: Int,
    _ weights: Tensor<Double>
  ) throws -> Double {
    let step = 1e-6
    func shifted(by distance: Double) throws -> Double {
      var inputs = inputs
      inputs[index].withUnsafeMutableElements { $0[place] += distance }
      return (try function(inputs) * weights).sum()
    }
    return (try shifted(by: step) - shifted(by: -step)) / (2 * step)
  }

  /// Differences are measured against the largest element.
  private func expectNear(
    _ found: Tensor<Double>,
    _ expected: Tensor<Double>,
    _ tolerance: Double,
    _ comment: String
  ) {
    #expect(found.shape == expected.shape, "\(comment)")
    let scale = expected.elements.reduce(1) { Swift.max($0, abs($1)) }
    for (a, b) in zip(found.elements, expected.elements) {
      #expect(abs(a - b) <= tolerance * scale, "\(comment): \(a), expected \(b)")
    }
  }

  static let matrices: [Shape] = [[1, 1], [3, 3], [5, 3], [3, 5], [2, 4, 3], [2, 2, 3, 3]]
  static let squares: [Shape] = [[1, 1], [3, 3], [5, 5], [2, 3, 3]]

  private func identity(_ shape: Shape) -> Tensor<Float> { .identity(shape[-1]) }

  @Test(arguments: matrices)
  func singularValueDecompositions(shape: Shape) throws {
    try check("singular values", [shape]) {
      try $0[0].singularValues()
    } reference: {
      try $0[0].singularValues()
    }
    try check("U", [shape]) {
      try $0[0].singularValueDecomposition().left
    } reference: {
      try $0[0].singularValueDecomposition().left
    }
    try check("S", [shape]) {
      try $0[0].singularValueDecomposition().singularValues
    } reference: {
      try $0[0].singularValues()
    }
    try check("Vᵀ", [shape]) {
      try $0[0].singularValueDecomposition().rightTransposed
    } reference: {
      try $0[0].singularValueDecomposition().rightTransposed
    }
    try check("nuclear norm", [shape]) {
      try $0[0].nuclearNorm()
    } reference: {
      try $0[0].nuclearNorm()
    }
  }

  @Test(arguments: matrices)
  func qrDecompositions(shape: Shape) throws {
    try check("Q", [shape]) {
      try $0[0].qrDecomposition().q
    } reference: {
      try $0[0].qrDecomposition().q
    }
    try check("R", [shape]) {
      try $0[0].qrDecomposition().r
    } reference: {
      try $0[0].qrDecomposition().r
    }
  }

  @Test(arguments: squares)
  func symmetricEigenvaluesAndVectors(shape: Shape) throws {
    // Made symmetric inside, so that each element may be moved by itself.
    try check("values", [shape]) {
      try ($0[0] + $0[0].transposed()).symmetricEigen().values
    } reference: {
      try ($0[0] + $0[0].transposed()).symmetricEigenvalues()
    }
    try check("vectors", [shape]) {
      try ($0[0] + $0[0].transposed()).symmetricEigen().vectors
    } reference: {
      try ($0[0] + $0[0].transposed()).symmetricEigen().vectors
    }
  }

  @Test(arguments: squares)
  func choleskyFactors(shape: Shape) throws {
    let unit = identity(shape)
    for triangle in Triangle.allCases {
      try check("\(triangle)", [shape]) {
        let positive = $0[0].matmul($0[0], transposingOther: true) + Variable(unit)
        return try positive.cholesky(triangle)
      } reference: {
        let positive =
          $0[0].matmul($0[0], transposingOther: true) + unit.converted(to: Double.self)
        return try positive.cholesky(triangle)
      }
    }
  }

  @Test(arguments: squares)
  func solutions(shape: Shape) throws {
    let unit = identity(shape) * 4
    let sides = [Shape(shape.extents.dropLast()), Shape(shape.extents.dropLast() + [2])]
    for side in sides {
      try check("solve", [shape, side]) {
        try ($0[0] + Variable(unit)).solve($0[1])
      } reference: {
        try ($0[0] + unit.converted(to: Double.self)).solve($0[1])
      }
      for (triangle, transposed) in [
        (Triangle.lower, false), (.lower, true), (.upper, false), (.upper, true),
      ] {
        for unitDiagonal in [false, true] {
          try check("\(triangle) \(transposed) \(unitDiagonal)", [shape, side]) {
            try ($0[0] + Variable(unit)).solveTriangular(
              $0[1],
              triangle,
              transposed: transposed,
              unitDiagonal: unitDiagonal
            )
          } reference: {
            try ($0[0] + unit.converted(to: Double.self)).solveTriangular(
              $0[1],
              triangle,
              transposed: transposed,
              unitDiagonal: unitDiagonal
            )
          }
        }
      }
    }
  }

  @Test(arguments: squares)
  func inversesAndDeterminants(shape: Shape) throws {
    let unit = identity(shape) * 3
    try check("inverse", [shape]) {
      try ($0[0] + Variable(unit)).inverse()
    } reference: {
      try ($0[0] + unit.converted(to: Double.self)).inverse()
    }
    try check("determinant", [shape]) {
      try $0[0].determinant()
    } reference: {
      try $0[0].determinant()
    }
    try check("log determinant", [shape]) {
      try $0[0].logDeterminant().logarithm
    } reference: {
      try $0[0].logDeterminant().logarithm
    }
  }

  @Test func aSingularMatrixHasCofactors() throws {
    // det [[1, 2], [2, 4]] = 0; its cofactors are [[4, −2], [−2, 1]].
    let matrix = Variable(following: Tensor([[1, 2], [2, 4]]))
    try matrix.determinant().backward()
    expectNear(
      try #require(matrix.gradient).converted(to: Double.self),
      Tensor([[4, -2], [-2, 1]]),
      1e-6,
      "cofactors"
    )
  }

  @Test func equalValuesLeaveOutWhatIsUndefined() throws {
    let matrix = Variable(following: Tensor<Float>.identity(3))
    let eigen = try matrix.symmetricEigen()
    (eigen.values.sum() + eigen.vectors.sum()).backward()
    #expect(try #require(matrix.gradient).isFinite().all())
    let parts = try matrix.singularValueDecomposition()
    (parts.left.sum() + parts.rightTransposed.sum()).backward()
    #expect(try #require(matrix.gradient).isFinite().all())
  }

  @Test func matricesWithoutElements() throws {
    let matrix = Variable(following: Tensor<Float>.zeros([0, 3]))
    try matrix.singularValues().sum().backward()
    #expect(matrix.gradient?.shape == [0, 3])
  }
}
