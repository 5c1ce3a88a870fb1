import LinearAlgebra
import Tensor
import TestSupport
import Testing

@Suite struct SingularValueTests {
  @Test(arguments: matrixExtents)
  func thinFactorsRebuildTheMatrix(extents: [Int]) throws {
    let (m, n) = (extents[0], extents[1])
    let k = min(m, n)
    let a = normalMatrix(m, n)
    let svd = try a.singularValueDecomposition()
    #expect(svd.left.shape == [m, k])
    #expect(svd.singularValues.shape == [k])
    #expect(svd.rightTransposed.shape == [k, n])
    let values = svd.singularValues.elements
    #expect(values.allSatisfy { $0 >= 0 })
    #expect(zip(values, values.dropFirst()).allSatisfy { $0 >= $1 })
    let middle = diagonal(values, rows: k, columns: k)
    expectSame(
      product(product(svd.left, middle), svd.rightTransposed),
      a,
      absolute: 1e-12 * Double(m + n)
    )
    expectSame(svd.reconstructed(), a, absolute: 1e-12 * Double(m + n))
    expectOrthonormalColumns(svd.left)
    expectOrthonormalColumns(transpose(svd.rightTransposed))
    expectClose(try a.singularValues().elements, values, absolute: 1e-12 * (values.first ?? 0))
  }

  @Test(arguments: matrixExtents)
  func fullFactorsAreSquareAndOrthogonal(extents: [Int]) throws {
    let (m, n) = (extents[0], extents[1])
    let a = normalMatrix(m, n)
    let svd = try a.singularValueDecomposition(full: true)
    #expect(svd.left.shape == [m, m])
    #expect(svd.rightTransposed.shape == [n, n])
    let middle = diagonal(svd.singularValues.elements, rows: m, columns: n)
    expectSame(
      product(product(svd.left, middle), svd.rightTransposed),
      a,
      absolute: 1e-12 * Double(m + n)
    )
    expectSame(svd.reconstructed(), a, absolute: 1e-12 * Double(m + n))
    expectOrthonormalColumns(svd.left)
    expectOrthonormalColumns(transpose(svd.rightTransposed))
  }

  @Test(arguments: [[1, 1], [17, 3], [3, 17], [30, 30]])
  func iterationsFindWhatDivideAndConquerFinds(extents: [Int]) throws {
    let a = normalMatrix(extents[0], extents[1])
    let (found, expected) = (
      try SingularValues.iterated(a), try a.singularValueDecomposition()
    )
    expectClose(
      found.singularValues.elements,
      expected.singularValues.elements,
      absolute: 1e-12
    )
    expectSame(found.reconstructed(), a, absolute: 1e-12)
    expectSame(found.polarFactor(), expected.polarFactor(), absolute: 1e-11)
  }

  /// A = diag(3, -2) has the singular values 3 and 2.
  @Test func diagonalMatrix() throws {
    let a = Tensor<Float>([3, 0, 0, -2], shape: [2, 2])
    #expect(try a.singularValues().elements == [3, 2])
    #expect(try a.nuclearNorm().item == 5)
    #expect(try a.spectralNorm().item == 3)
    #expect(try a.conditionNumber().item == 1.5)
    #expect(try a.polarFactor().elements == [1, 0, 0, -1])
  }

  @Test(arguments: [1e-300, 1e-12, 1e8, 1e300])
  func scaleChangesValuesOnly(scale: Double) throws {
    let a = normalMatrix(7, 5)
    let plain = try a.singularValueDecomposition()
    let svd = try scaled(a, by: scale).singularValueDecomposition()
    expectClose(
      svd.singularValues.elements,
      plain.singularValues.elements.map { $0 * scale },
      relative: 1e-12
    )
    expectOrthonormalColumns(svd.left)
    expectSame(
      svd.polarFactor(threshold: 0),
      plain.polarFactor(threshold: 0),
      absolute: 1e-12
    )
  }

  @Test func floatsAreComputedInDouble() throws {
    // Two columns that differ in the last digit: the smaller singular value is 2^-24, which single
    // precision loses in its rounding.
    let a = Tensor<Float>([1, 1, 1, 1 + 0x1p-23], shape: [2, 2])
    let values = try a.singularValues().elements
    expectClose([values[1]], [0x1p-24], relative: 1e-6)
    #expect(try a.singularValues() == narrow(wide(a).singularValues()))
    #expect(try a.polarFactor(threshold: 0) == narrow(wide(a).polarFactor(threshold: 0)))
  }

  @Test func rankDeficientMatrices() throws {
    let a = product(normalMatrix(9, 2), normalMatrix(2, 6, seed: 3))
    #expect(try a.matrixRank().item == 2)
    #expect(try narrow(a).matrixRank().item == 2)
    #expect(try a.matrixRank(relativeTolerance: 1e-30).item > 2)
    let svd = try a.singularValueDecomposition()
    expectSame(svd.reconstructed(), a, absolute: 1e-12)
    expectOrthonormalColumns(svd.left)
    #expect(try Tensor<Double>.zeros([3, 4]).matrixRank().item == 0)
    #expect(try Tensor<Double>.zeros([0, 4]).matrixRank().item == 0)
    #expect(try identity(4).matrixRank().item == 4)
  }

  @Test func truncationIsTheBestApproximation() throws {
    let a = normalMatrix(12, 8)
    let svd = try a.singularValueDecomposition()
    for rank in [0, 1, 5, 8] {
      let cut = svd.truncated(to: rank)
      #expect(cut.left.shape == [12, rank])
      #expect(cut.rightTransposed.shape == [rank, 8])
      let rest = sum(a, scaled(cut.reconstructed(), by: -1))
      // Eckart and Young: the error is what the dropped singular values hold.
      let dropped = svd.singularValues.elements.dropFirst(rank).map { $0 * $0 }.reduce(0, +)
      expectClose([rest.frobeniusNorm().item], [dropped.squareRoot()], absolute: 1e-12)
    }
    let full = try a.singularValueDecomposition(full: true)
    expectSame(
      full.truncated(to: 3).reconstructed(),
      svd.truncated(to: 3).reconstructed(),
      absolute: 1e-12
    )
  }

  @Test(arguments: [[9, 4], [4, 9], [5, 5]])
  func polarFactorIsTheGradientOfTheNuclearNorm(extents: [Int]) throws {
    let a = normalMatrix(extents[0], extents[1])
    let factor = try a.polarFactor()
    for index in stride(from: 0, to: a.count, by: 5) {
      var (up, down) = (a.elements, a.elements)
      up[index] += 1e-5
      down[index] -= 1e-5
      let high = try Tensor(up, shape: a.shape).nuclearNorm().item
      let low = try Tensor(down, shape: a.shape).nuclearNorm().item
      #expect(abs((high - low) / 2e-5 - factor.elements[index]) < 1e-7)
    }
  }

  @Test(arguments: [[6, 4], [4, 6], [5, 5], [0, 3], [3, 0], [1, 1]])
  func pseudoInverseSatisfiesPenrose(extents: [Int]) throws {
    let a = normalMatrix(extents[0], extents[1])
    let p = try a.pseudoInverse()
    #expect(p.shape == [extents[1], extents[0]])
    let (ap, pa) = (product(a, p), product(p, a))
    expectSame(product(ap, a), a, absolute: 1e-12)
    expectSame(product(pa, p), p, absolute: 1e-12)
    expectSame(ap, transpose(ap), absolute: 1e-12)
    expectSame(pa, transpose(pa), absolute: 1e-12)
  }

  @Test func pseudoInverseDropsSmallSingularValues() throws {
    let a = product(normalMatrix(7, 2), normalMatrix(2, 5, seed: 4))
    let p = try a.pseudoInverse()
    expectSame(product(product(a, p), a), a, absolute: 1e-12)
    #expect(largest(p) < 100)
    #expect(try Tensor<Float>.zeros([2, 3]).pseudoInverse() == .zeros([3, 2]))
  }

  @Test func normsOfAKnownMatrix() throws {
    let a = Tensor<Double>([3, 4, 0, 0], shape: [2, 2])
    #expect(a.frobeniusNorm().item == 5)
    #expect(try abs(a.nuclearNorm().item - 5) < 1e-14)
    #expect(try a.conditionNumber().item > 1e15)
    #expect(try Tensor<Double>.zeros([2, 2]).conditionNumber().item == .infinity)
    #expect(try Tensor<Double>.zeros([0, 0]).conditionNumber().item == 0)
    #expect(try Tensor<Float>.zeros([0, 2]).spectralNorm().item == 0)
  }

  @Test func frobeniusNormKeepsToTheRange() {
    for scale in [1e-200, 1e-170, 1, 1e200] {
      let norm = Tensor<Double>([3 * scale, 4 * scale], shape: [1, 2]).frobeniusNorm().item
      #expect(abs(norm / (5 * scale) - 1) < 1e-14)
    }
    #expect(Tensor<Float>([3e30, 4e30], shape: [2, 1]).frobeniusNorm().item == 5e30)
    #expect(Tensor<Double>([.nan, .infinity], shape: [1, 2]).frobeniusNorm().item.isNaN)
    #expect(Tensor<Double>([1, .infinity], shape: [1, 2]).frobeniusNorm().item == .infinity)
    #expect(Tensor<Double>.zeros([2, 0, 3]).frobeniusNorm().elements == [0, 0])
    let long = normalMatrix(3, 37)
    let squares = long.elements.map { $0 * $0 }.reduce(0, +)
    #expect(abs(long.frobeniusNorm().item - squares.squareRoot()) < 1e-13)
  }
}
