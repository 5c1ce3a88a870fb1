import LinearAlgebra
import Tensor
import TestSupport
import Testing

@Suite struct FactorizationTests {
  @Test(arguments: matrixExtents, [false, true])
  func qrRebuildsTheMatrix(extents: [Int], complete: Bool) throws {
    let (m, n) = (extents[0], extents[1])
    let width = complete ? m : min(m, n)
    let a = normalMatrix(m, n)
    let qr = try a.qrDecomposition(complete: complete)
    #expect(qr.q.shape == [m, width])
    #expect(qr.r.shape == [width, n])
    expectOrthonormalColumns(qr.q)
    #expect(qr.r == triangular(qr.r, .upper))
    expectSame(product(qr.q, qr.r), a, absolute: 1e-12 * Double(m + n))
    let single = try narrow(a).qrDecomposition(complete: complete)
    expectOrthonormalColumns(wide(single.q), absolute: 1e-5)
    expectSame(product(wide(single.q), wide(single.r)), a, absolute: 1e-5 * Double(m + n))
  }

  @Test func qrOfARankDeficientMatrix() throws {
    let a = product(normalMatrix(8, 2), normalMatrix(2, 5, seed: 5))
    let qr = try a.qrDecomposition()
    expectOrthonormalColumns(qr.q)
    expectSame(product(qr.q, qr.r), a, absolute: 1e-12)
  }

  @Test(arguments: squareExtents, Triangle.allCases)
  func choleskyRebuildsTheMatrix(extent: Int, triangle: Triangle) throws {
    let a = positiveMatrix(extent)
    let factor = try a.cholesky(triangle)
    #expect(factor == triangular(factor, triangle))
    let other = transpose(factor)
    let (left, right) = triangle == .lower ? (factor, other) : (other, factor)
    expectSame(product(left, right), a, absolute: 1e-13 * (1 + largest(a)) * Double(extent + 1))
    let single = try narrow(a).cholesky(triangle)
    expectSame(wide(single), factor, absolute: 1e-4 * (1 + largest(factor)))
  }

  /// Where [[4, 2], [2, 5]] = [[2, 0], [1, 2]]·[[2, 1], [0, 2]].
  @Test func choleskyOfAKnownMatrix() throws {
    let a = Tensor<Float>([4, 2, 2, 5], shape: [2, 2])
    #expect(try a.cholesky().elements == [2, 0, 1, 2])
    #expect(try a.cholesky(.upper).elements == [2, 1, 0, 2])
  }

  @Test func choleskyNamesTheMinor() {
    let error = #expect(throws: LinearAlgebraError.self) {
      try Tensor<Double>([4, 2, 0, 2, 1, 0, 0, 0, 3], shape: [3, 3]).cholesky()
    }
    guard case .notPositiveDefinite(let minor, let place) = error else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(minor == 2)
    #expect(place.index.isEmpty && place.shape == [3, 3])
  }

  @Test(arguments: squareExtents)
  func inversesInvert(extent: Int) throws {
    let a = sum(normalMatrix(extent, extent), scaled(identity(extent), by: 3))
    expectSame(product(try a.inverse(), a), identity(extent), absolute: 1e-9)
    let positive = positiveMatrix(extent)
    let inverse = try positive.positiveDefiniteInverse()
    #expect(inverse == transpose(inverse))
    expectSame(product(inverse, positive), identity(extent), absolute: 1e-9)
    let single = try narrow(positive).positiveDefiniteInverse()
    expectSame(wide(single), inverse, absolute: 1e-3 * (1 + largest(inverse)))
  }

  /// |1 2; 3 4| = -2, whose inverse is [[-2, 1], [1.5, -0.5]].
  @Test func knownInverseAndDeterminant() throws {
    let a = Tensor<Double>([1, 2, 3, 4], shape: [2, 2])
    expectClose(try a.inverse().elements, [-2, 1, 1.5, -0.5], absolute: 1e-14)
    #expect(try abs(a.determinant().item + 2) < 1e-14)
    let logarithm = try a.logDeterminant()
    #expect(logarithm.sign.item == -1)
    #expect(abs(logarithm.logarithm.item - 0.693_147_180_559_945_3) < 1e-14)
    #expect(try narrow(a).determinant().item == -2)
  }

  @Test(arguments: squareExtents)
  func determinantIsTheProductOfEigenvalues(extent: Int) throws {
    let a = SymmetricEigenTests.symmetric(extent)
    let values = try a.symmetricEigenvalues().elements
    let found = try a.determinant().item
    let expected = values.reduce(1, *)
    #expect(abs(found - expected) <= 1e-9 * expected.magnitude)
    let (sign, logarithm) = (try a.logDeterminant().sign, try a.logDeterminant().logarithm)
    #expect(sign.item == (expected < 0 ? -1 : 1))
    let rebuilt = try scaled(a, by: 1e20).logDeterminant().logarithm.item
    // log(1e20) = 46.05170185988091
    #expect(abs(rebuilt - logarithm.item - 46.051_701_859_880_91 * Double(extent)) < 1e-9)
  }

  @Test func singularMatricesHaveTheDeterminantZero() throws {
    let a = Tensor<Double>([1, 2, 2, 4], shape: [2, 2])
    #expect(try a.determinant().item == 0)
    #expect(try a.logDeterminant().sign.item == 0)
    #expect(try a.logDeterminant().logarithm.item == -.infinity)
    #expect(try Tensor<Double>.zeros([0, 0]).determinant().item == 1)
    #expect(try Tensor<Double>.zeros([0, 0]).logDeterminant().logarithm.item == 0)
  }
}
