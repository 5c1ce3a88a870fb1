import LinearAlgebra
import Tensor

let a = Tensor<Double>([4, 2, 2, 3], shape: [2, 2])
let x = try a.solve(Tensor([8, 7]))
let factor = try a.cholesky()
let svd = try a.singularValueDecomposition()
precondition(abs(x[0].item - 1.25) < 1e-12)
print(x, factor, svd.truncated(to: 1).reconstructed())
