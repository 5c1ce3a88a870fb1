import Tensor

/// How likely a model held a token to be, and which it held to be likelier.
public struct TokenScore: Hashable, Sendable {
  /// A token and how likely it is.
  public struct Candidate: Hashable, Sendable {
    /// The token.
    public var id: Int32
    /// The natural logarithm of its probability.
    public var logProbability: Float
  }

  /// The token that stands in the text.
  public var token: Candidate
  /// The likeliest tokens, the first of them first; of equal ones the smaller id.
  public var likeliest: [Candidate]

  /// The score of a token by logits [V] as the model gave them: temperature, limits and penalties
  /// change what is drawn, not how likely the model held it to be.
  init(of id: Int32, _ logits: Tensor<Float>, count: Int) {
    let logProbabilities = logits.logSoftmax()
    (token, likeliest) = logProbabilities.withUnsafeElements { values in
      (
        Candidate(id: id, logProbability: values[Int(id)]),
        Self.largest(count, of: values).map {
          Candidate(id: Int32($0), logProbability: values[$0])
        }
      )
    }
  }

  private static func largest(_ count: Int, of values: UnsafeBufferPointer<Float>) -> [Int] {
    guard count > 0 else { return [] }
    var best: [Int] = []
    for index in values.indices {
      if best.count == count, !(values[index] > values[best[count - 1]]) { continue }
      let place = best.firstIndex { values[$0] < values[index] } ?? best.count
      best.insert(index, at: place)
      if best.count > count { best.removeLast() }
    }
    return best
  }
}
