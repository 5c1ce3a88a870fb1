import Tensor

var generator = Philox(seed: 1)
let x = Tensor<Float>.normal([256, 64], using: &generator)
let weights = x.matmul(x, transposingOther: true).softmax()
let mixed = weights.matmul(x).rmsNormalized(weight: .ones([64]), epsilon: 1e-5)
let nearest = weights.argMax(axis: -1)
precondition(mixed.shape == [256, 64] && nearest.shape == [256])
print(mixed.square().mean(), weights.sum(axes: 1).max())
