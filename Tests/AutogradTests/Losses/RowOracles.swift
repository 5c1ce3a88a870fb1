import Foundation
import Tensor

/// Plain definitions in Double, row by row.
enum RowOracle {
  /// Applies `body` to each row along the last axis.
  static func mapRows(
    _ x: Tensor<Double>,
    _ body: (Int, [Double]) -> [Double]
  ) -> Tensor<Double> {
    let width = x.shape[-1]
    guard x.count > 0 else { return x }
    let elements = x.elements
    var out: [Double] = []
    for row in 0..<(x.count / width) {
      out += body(row, Array(elements[row * width..<(row + 1) * width]))
    }
    return Tensor(out, shape: x.shape)
  }

  static func logSumExp(_ row: [Double]) -> Double {
    let top = row.max() ?? 0
    return top + log(row.reduce(0) { $0 + exp($1 - top) })
  }

  static func logSoftmax(_ x: Tensor<Double>, scale: Double = 1) -> Tensor<Double> {
    mapRows(x) { _, row in
      let scaled = row.map { $0 * scale }
      let sum = logSumExp(scaled)
      return scaled.map { $0 - sum }
    }
  }

  static func softmax(_ x: Tensor<Double>, scale: Double = 1) -> Tensor<Double> {
    let y = logSoftmax(x, scale: scale)
    return Tensor(y.elements.map { exp($0) }, shape: y.shape)
  }

  static func norm(
    _ x: Tensor<Double>,
    centres: Bool,
    weight: [Double]? = nil,
    bias: [Double]? = nil,
    epsilon: Double = Double(Float(1e-5))
  ) -> Tensor<Double> {
    mapRows(x) { _, row in
      let count = Double(row.count)
      let mean = centres ? row.reduce(0, +) / count : 0
      let squares = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      let factor = 1 / (squares + epsilon).squareRoot()
      return row.indices.map {
        (row[$0] - mean) * factor * (weight?[$0] ?? 1) + (bias?[$0] ?? 0)
      }
    }
  }

  /// The losses of rows, with the options of `CrossEntropyOptions`.
  static func crossEntropy(
    _ x: Tensor<Double>,
    _ targets: [Int32],
    smoothing: Double = 0,
    zLoss: Double = 0
  ) -> [Double] {
    let width = x.shape[-1]
    let elements = x.elements
    return targets.indices.map { index in
      guard targets[index] >= 0 else { return 0 }
      let row = Array(elements[index * width..<(index + 1) * width])
      let sum = logSumExp(row)
      let mean = row.reduce(0, +) / Double(width)
      return sum - (1 - smoothing) * row[Int(targets[index])] - smoothing * mean
        + zLoss * sum * sum
    }
  }
}

/// What `body` gives with one thread and with two.
func withThreads<Result>(_ body: () -> Result) -> (Result, Result) {
  let before = WorkPool.threadCount
  defer { WorkPool.threadCount = before }
  WorkPool.threadCount = 1
  let one = body()
  WorkPool.threadCount = 2
  return (one, body())
}
