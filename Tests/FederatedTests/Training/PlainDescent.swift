import Federated
import Foundation
import Tensor

/// Softmax regression trained by its definition, in Double: the oracle of local training.
struct PlainDescent {
  var weight: [[Double]]
  var bias: [Double]
  private let start: (weight: [[Double]], bias: [Double])
  private var velocity: (weight: [[Double]], bias: [Double])
  let task: VectorTask
  let settings: LocalTrainingSettings
  /// 1 for classes whose logits count.
  let present: [Double]

  init(
    _ parameters: ParameterSet,
    _ task: VectorTask,
    _ settings: LocalTrainingSettings,
    present: [Double]
  ) {
    let (rows, columns) = (task.classCount, task.inputs.shape[1])
    let w = (parameters["layers.0.weight"]?.elements ?? []).map { Double($0) }
    weight = (0..<rows).map { row in Array(w[row * columns..<(row + 1) * columns]) }
    bias = (parameters["layers.0.bias"]?.elements ?? []).map { Double($0) }
    start = (weight, bias)
    velocity = (weight.map { $0.map { _ in 0.0 } }, bias.map { _ in 0.0 })
    self.task = task
    self.settings = settings
    self.present = present
  }

  /// dW and db of the mean cross-entropy of a batch.
  func gradient(_ batch: [Int32]) -> (weight: [[Double]], bias: [Double]) {
    let columns = task.inputs.shape[1]
    let x = task.inputs.elements.map { Double($0) }
    var (dw, db) = (weight.map { $0.map { _ in 0.0 } }, bias.map { _ in 0.0 })
    for example in batch.map({ Int($0) }) {
      let row = x[example * columns..<(example + 1) * columns]
      let logits = weight.indices.map { index in
        present[index] * (zip(weight[index], row).reduce(bias[index]) { $0 + $1.0 * $1.1 })
      }
      let largest = logits.max() ?? 0
      let total = logits.reduce(0) { $0 + exp($1 - largest) }
      for index in weight.indices {
        let target = Int(task.labels[example]) == index ? 1.0 : 0
        let d = present[index] * (exp(logits[index] - largest) / total - target)
        db[index] += d / Double(batch.count)
        for (column, value) in row.enumerated() {
          dw[index][column] += d * value / Double(batch.count)
        }
      }
    }
    return (dw, db)
  }

  mutating func step(_ batch: [Int32]) {
    let (rate, mu) = (Double(settings.learningRate), Double(settings.proximal))
    let (decay, momentum) = (Double(settings.weightDecay), Double(settings.momentum))
    var g = gradient(batch)
    for row in weight.indices {
      for column in weight[row].indices {
        g.weight[row][column] += mu * (weight[row][column] - start.weight[row][column])
      }
      g.bias[row] += mu * (bias[row] - start.bias[row])
    }
    if let limit = settings.gradientNorm {
      let norm = (g.weight.flatMap { $0 } + g.bias).reduce(0) { $0 + $1 * $1 }.squareRoot()
      let factor = min(1, Double(limit) / norm)
      g = (g.weight.map { $0.map { $0 * factor } }, g.bias.map { $0 * factor })
    }
    for row in weight.indices {
      for column in weight[row].indices {
        let pull = g.weight[row][column] + decay * weight[row][column]
        velocity.weight[row][column] = momentum * velocity.weight[row][column] + pull
        weight[row][column] -= rate * velocity.weight[row][column]
      }
      velocity.bias[row] = momentum * velocity.bias[row] + g.bias[row] + decay * bias[row]
      bias[row] -= rate * velocity.bias[row]
    }
  }

  /// What E epochs in order change.
  mutating func run() -> [Float] {
    for _ in 0..<settings.epochs {
      for first in stride(from: 0, to: task.trainingCount, by: settings.batchSize) {
        let last = min(first + settings.batchSize, task.trainingCount)
        step(Array(Int32(first)..<Int32(last)))
      }
    }
    let w = zip(weight.flatMap { $0 }, start.weight.flatMap { $0 }).map { Float($0 - $1) }
    return w + zip(bias, start.bias).map { Float($0 - $1) }
  }
}
