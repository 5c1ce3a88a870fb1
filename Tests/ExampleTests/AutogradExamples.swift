import Autograd
import Tensor
import Testing

/// The code of the page of the module Autograd.
@Suite struct AutogradExamples {
  @Test func aGradient() {
    let scale = Parameter(Tensor(scalar: 2))
    let loss = (Variable(3) * scale.variable).sum()
    loss.backward()
    print(scale.gradient ?? .zeros([]))  // 3
    #expect(scale.gradient?.item == 3 && loss.item == 6)
  }

  @Test func aTrainingLoop() {
    var generator = Philox(seed: 1)
    let x = Tensor<Float>.uniform([256, 2], from: -1, to: 1, using: &generator)
    let data = TensorDataset(x, x[.all, 0] * x[.all, 1])
    let model = MLP(widths: [2, 32, 1], activation: .silu, using: &generator)
    let optimizer = AdamW(model, learningRate: 0.01)
    for (x, y) in data.batches(of: 32, order: .shuffled(seed: 1), epochs: 20) {
      let product = model(Variable(x)).squeezed(axis: 1)
      meanSquaredError(predictions: product, targets: Variable(y)).backward()
      optimizer.step()
      model.clearGradients()
    }
    let error = (model(x).squeezed(axis: 1) - data.tensors.1).square().mean()
    // The variance of a product of two uniform numbers is 1/9.
    #expect(error < 0.02, "\(error)")
  }
}
