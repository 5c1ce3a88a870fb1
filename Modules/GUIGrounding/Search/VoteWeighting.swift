import Foundation

/// What a vote counts.
public enum VoteWeighting: Hashable, Codable, Sendable {
  /// Every vote the same.
  case uniform
  /// exp(log-probability of the response / temperature), as shares of their sum.
  ///
  /// Votes whose probability is not known count like the least likely one; the same for all where
  /// none is known.
  case sequenceLogProbability(temperature: Double)

  /// The weights of samples; at most 1 each.
  func weights(_ samples: [GroundingSample]) -> [Double] {
    let same = [Double](repeating: 1, count: samples.count)
    guard case .sequenceLogProbability(let temperature) = self else { return same }
    let logs = samples.map(\.logProbability)
    let known = logs.compactMap { $0 }.filter(\.isFinite)
    guard let largest = known.max(), let smallest = known.min(), temperature > 0 else {
      return same
    }
    return logs.map { value in
      let value = value.flatMap { $0.isFinite ? $0 : nil } ?? smallest
      return exp((value - largest) / temperature)
    }
  }
}
