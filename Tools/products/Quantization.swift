import Quantization
import Tensor

var generator = Philox(seed: 1)
let weight = Tensor<Float>.normal([64, 128], using: &generator)
let scheme = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(64))
let (matrix, _) = try RoundToNearest(scheme).quantize(weight)
let x = Tensor<Float>.normal([3, 128], using: &generator)
let signs = try BinaryCoding(planes: 3, groupSize: 64).quantize(weight)
let exact = x.matmul(weight, transposingOther: true)
print((matrix.product(with: x) - exact).square().mean(), signs.meanSquaredError(from: weight))
