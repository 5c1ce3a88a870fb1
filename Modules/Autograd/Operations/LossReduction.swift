import Tensor

/// How the losses of elements or rows become one result.
public enum LossReduction: Hashable, Sendable {
  /// They stay what they are.
  case none
  /// Their sum.
  case sum
  /// Their mean; NaN where there are none.
  case mean
}

extension LossReduction {
  /// What the gradient of each of `count` losses is multiplied by.
  func factor(count: Int) -> Float { self == .mean ? 1 / Float(count) : 1 }

  /// The losses, or their sum or mean; sums in double, in the order of the losses.
  ///
  /// - Parameters:
  ///   - losses: one for each element or row.
  ///   - count: how many of them the mean is over.
  /// - Returns: the losses as they are, or a scalar.
  func callAsFunction(_ losses: Tensor<Float>, count: Int) -> Tensor<Float> {
    guard self != .none else { return losses }
    let sum = losses.withUnsafeElements { $0.reduce(0.0) { $0 + Double($1) } }
    return total(sum, count: count)
  }

  /// The sum or mean, given the sum.
  func total(_ sum: Double, count: Int) -> Tensor<Float> {
    Tensor(scalar: Float(self == .mean ? sum / Double(count) : sum))
  }
}
