import Autograd
import LinearAlgebra
import Tensor
import TestSupport
import Testing

/// The code of the page of the module LinearAlgebra.
@Suite struct LinearAlgebraExamples {
  @Test func factorsAndSolutions() throws {
    let a = Tensor<Double>([4, 2, 2, 3], shape: [2, 2])
    let x = try a.solve(Tensor([8, 7]))  // A·x = b: [1.25, 1.5]
    let factor = try a.cholesky()  // A = L·Lᵀ
    let svd = try a.singularValueDecomposition()  // A = U·diag(S)·Vᵀ
    let close = svd.truncated(to: 1).reconstructed()  // the closest matrix of rank 1
    expectClose(x.elements, [1.25, 1.5], absolute: 1e-12)
    expectClose(
      factor.matmul(factor, transposingOther: true).elements,
      a.elements,
      absolute: 1e-12
    )
    expectClose(svd.reconstructed().elements, a.elements, absolute: 1e-12)
    #expect(try close.matrixRank().elements == [1])
  }

  @Test func gradientsOfASpectrum() throws {
    let covariance = Variable(following: Tensor([4, 1, 1, 3], shape: [2, 2]))
    let (values, vectors) = try covariance.symmetricEigen()  // A = V·diag(λ)·Vᵀ
    values.sum().backward()
    print(vectors.shape, covariance.gradient ?? .zeros([2, 2]))  // Σλ is the trace: the identity
    expectClose(covariance.gradient ?? .zeros([2, 2]), .identity(2), absolute: 1e-6)
    #expect(abs(values.value.sum() - 7) < 1e-5)
  }
}
