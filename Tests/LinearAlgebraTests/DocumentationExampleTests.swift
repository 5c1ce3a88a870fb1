import LinearAlgebra
import Tensor
import TestSupport
import Testing

/// The lines of the module's catalogue.
@Suite struct DocumentationExampleTests {
  @Test func theExampleOfTheOverview() throws {
    let a = Tensor<Double>([4, 2, 2, 3], shape: [2, 2])
    let x = try a.solve(Tensor([8, 7]))
    let factor = try a.cholesky()
    let svd = try a.singularValueDecomposition()
    let close = svd.truncated(to: 1).reconstructed()
    expectClose(x.elements, [1.25, 1.5], absolute: 1e-14)
    expectSame(product(factor, transpose(factor)), a, absolute: 1e-14)
    #expect(try close.matrixRank().item == 1)
  }
}
