import Autograd
import Tensor

var generator = Philox(seed: 1)
let x = Tensor<Float>.uniform([256, 2], from: -1, to: 1, using: &generator)
let data = TensorDataset(x, x[.all, 0] * x[.all, 1])
let model = MLP(widths: [2, 32, 1], activation: .silu, using: &generator)
let optimizer = AdamW(model, learningRate: 0.01)
for (x, y) in data.batches(of: 32, order: .shuffled(seed: 1), epochs: 20) {
  meanSquaredError(predictions: model(Variable(x)).squeezed(axis: 1), targets: Variable(y)).backward()
  optimizer.step()
  model.clearGradients()
}
print((model(x).squeezed(axis: 1) - data.tensors.1).square().mean())
