import Autograd
import Foundation
import Tensor

/// Points on two arms of a spiral, one turn each, with the arm as target: not separable by lines.
struct TwoSpirals {
  /// Points [N × 2] and one-hot targets [N × 2].
  let data: TensorDataset<Float, Float>

  init(count: Int, seed: UInt64 = 1) {
    var generator = Philox(seed: seed)
    var (points, targets): ([Float], [Float]) = ([], [])
    for index in 0..<count {
      let arm = index % 2
      let radius = 0.2 + 0.8 * generator.uniform()
      let angle = 2 * Float.pi * (radius + Float(arm) / 2)
      points += [radius * cos(angle), radius * sin(angle)]
      targets += arm == 0 ? [1, 0] : [0, 1]
    }
    data = TensorDataset(
      Tensor(points, shape: [count, 2]),
      Tensor(targets, shape: [count, 2])
    )
  }
}

/// Two linear layers with max(x, 0) between them.
final class Perceptron: Module, TrainingDependent {
  let hidden: Linear
  let output: Linear
  /// How many batches were seen in training: a buffer, as running statistics are.
  let batchCount = Buffer(Tensor(scalar: 0))
  var isTraining = true

  init(width: Int = 64, seed: UInt64 = 1) {
    var generator = Philox(seed: seed)
    hidden = Linear(inputWidth: 2, outputWidth: width, using: &generator)
    output = Linear(inputWidth: width, outputWidth: 2, using: &generator)
  }

  func callAsFunction(_ x: Variable) -> Variable {
    if isTraining { batchCount.value = batchCount.value + 1 }
    return output(maximum(hidden(x), Variable(0)))
  }

  /// The mean of −log softmax(logits) at the targets.
  func loss(_ x: Tensor<Float>, _ y: Tensor<Float>) -> Variable {
    let logits = self(Variable(x))  // [B × 2]
    return (logits.logSumExp(axes: 1) - (logits * Variable(y)).sum(axes: 1)).mean()
  }

  /// The part of the points that are told apart.
  func accuracy(_ data: TensorDataset<Float, Float>) -> Double {
    let logits = self(Variable(data.tensors.0)).value
    let found = logits.argMax(axis: 1).elements
    let wanted = data.tensors.1.argMax(axis: 1).elements
    return Double(zip(found, wanted).filter { $0 == $1 }.count) / Double(data.count)
  }
}
