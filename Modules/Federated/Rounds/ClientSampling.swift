import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension RoundSettings.Sampling {
  /// Draws candidates.
  ///
  /// - Parameters:
  ///   - count: how many are wanted; at most as many as there are.
  ///   - candidates: who is available.
  ///   - deadline: the seconds that a round waits.
  ///   - losses: the last loss of each client that reported one.
  ///   - generator: the source of the draws.
  /// - Returns: the places of those that were drawn, in the order of the draw.
  func sample(
    _ count: Int,
    of candidates: [RoundCandidate],
    deadline: Double?,
    losses: [Int: Double],
    using generator: inout Philox
  ) -> [Int] {
    let count = min(count, candidates.count)
    switch self {
    case .uniform:
      return Self.drawn(count, weights: nil, candidates.count, &generator)
    case .byExampleCount:
      let weights = candidates.map { Double($0.exampleCount) }
      return Self.drawn(count, weights: weights, candidates.count, &generator)
    case .byDeadline:
      let order = Self.drawn(candidates.count, weights: nil, candidates.count, &generator)
      let limit = deadline ?? .infinity
      let isFast = { (place: Int) in (candidates[place].expectedSeconds ?? 0) <= limit }
      return Array((order.filter(isFast) + order.filter { !isFast($0) }).prefix(count))
    case .byLoss(let factor):
      let wanted = min(candidates.count, Int((Double(count) * factor).rounded(.up)))
      let weights = candidates.map { Double($0.exampleCount) }
      let drawn = Self.drawn(wanted, weights: weights, candidates.count, &generator)
      // Clients that never reported come first: their loss is unknown.
      let ranked = drawn.enumerated().sorted { left, right in
        let a = losses[candidates[left.element].client] ?? .infinity
        let b = losses[candidates[right.element].client] ?? .infinity
        return a == b ? left.offset < right.offset : a > b
      }
      return ranked.prefix(count).map(\.element)
    }
  }

  /// Draws without replacement; the keys u^(1/w) of Efraimidis and Spirakis 2006 make the weights
  /// count, as logarithms.
  private static func drawn(
    _ count: Int,
    weights: [Double]?,
    _ total: Int,
    _ generator: inout Philox
  ) -> [Int] {
    guard let weights else {
      let order = Tensor<Int32>.permutation(total, using: &generator).elements
      return order.prefix(count).map { Int($0) }
    }
    let keys = weights.map { weight -> Double in
      let u = (Double(generator.next() >> 11) + 0.5) * 0x1p-53
      return weight > 0 ? log(u) / weight : -.infinity
    }
    let order = keys.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] > keys[$1] }
    return Array(order.prefix(count))
  }
}
