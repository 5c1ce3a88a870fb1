public import Autograd
public import Tensor

/// The cross-entropy of rows, weighted by the class of their target.
///
///     loss = Σ w[y_i] (log Σ exp(x_i) − x_i[y_i]) / Σ w[y_i]      over rows that are not ignored
///
/// That is torch's mean with class weights, so a common factor of the weights has no effect. Without
/// rows that count, or if their weights are all 0, the loss is 0.
///
/// - Shapes: logits [N × C], targets [N] of 0 ..< C or `ignored`, weights C numbers or nil for equal
///   ones, result [].
public func weightedCrossEntropy(
  logits: Variable,
  targets: Tensor<Int32>,
  weights: [Float]? = nil,
  ignoring ignored: Int32 = -1
) -> Variable {
  let classCount = logits.rank == 2 ? logits.shape[1] : 0
  expect(
    logits.rank == 2 && targets.shape == [logits.shape[0]],
    "weighted cross-entropy: a target for each row is needed, \(logits.shape) · \(targets.shape)"
  )
  expect(
    weights == nil || weights?.count == classCount,
    "weighted cross-entropy: \(weights?.count ?? 0) weights for the classes of \(logits.shape)"
  )
  targets.check(below: classCount, "weighted cross-entropy", of: logits.shape, ignoring: ignored)
  let table = weights ?? Array(repeating: 1, count: classCount)
  var total = 0.0
  var shares = Tensor<Float>(uninitialized: targets.shape) { shares in
    targets.withUnsafeElements { targets in
      for (row, target) in targets.enumerated() {
        let weight = target == ignored ? 0 : table[Int(target)]
        shares[row] = weight
        total += Double(weight)
      }
    }
  }
  shares *= total > 0 ? Float(1 / total) : 0
  let losses = crossEntropy(
    logits: logits,
    targets: targets,
    reduction: .none,
    options: CrossEntropyOptions(ignoredTarget: ignored)
  )
  return (losses * Variable(shares)).sum()
}
