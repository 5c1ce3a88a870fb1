public import Tensor

/// Zeros in random places while it is trained; nothing in use.
///
///     y = x ⊙ mask / (1 − rate),   mask = 1 with probability 1 − rate, else 0
///
/// The mask of the n-th pass is a function of the layer's seed, n and the shape alone, on any number
/// of threads: the same seed gives the same masks. It is never stored; the backward pass draws it
/// again, and so does a body inside `checkpointed`.
///
/// - Source: Srivastava et al. 2014, "Dropout".
public final class Dropout: Layer, TrainingDependent {
  /// The probability of a zero, in [0, 1].
  public let rate: Float
  /// Where the masks come from: each pass in training takes one draw.
  ///
  /// Store it to resume a run with the masks that would have come.
  public var generator: Philox
  /// Whether elements are dropped; true at first.
  public var isTraining = true

  /// A layer with its own stream of masks.
  ///
  /// - Parameters:
  ///   - rate: the probability of a zero, in [0, 1]; torch's 0.5 by default.
  ///   - generator: gives the layer its seed, by one draw.
  public init(rate: Float = 0.5, using generator: inout Philox) {
    expect(rate >= 0 && rate <= 1, "dropout: a rate of \(rate) is not in [0, 1]")
    self.rate = rate
    self.generator = Philox(seed: generator.next())
  }

  /// The input with zeros in random places, or the input itself in use; of the same shape.
  public func callAsFunction(_ input: Variable) -> Variable {
    guard isTraining, rate != 0 else { return input }
    var draw = Philox(seed: CheckpointDraws.draw(from: &generator))
    return input.dropout(rate, using: &draw)
  }
}
