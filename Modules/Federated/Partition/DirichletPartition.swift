public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

// Hsu et al. 2019: for each class draw p ~ Dir(α · 1_K), shuffle the class, and give client j what
// lies between the cuts ⌊n_c Σ_{i≤j} p_i⌋; the last cut is n_c.

/// Label skew: every class is divided among the clients by shares from Dirichlet's distribution.
public struct DirichletPartition: Codable, Hashable, Sendable {
  /// α: small is skewed, large is even.
  public var alpha: Double
  /// K.
  public var clientCount: Int
  /// How many examples every client must have.
  public var minimumCount: Int
  /// How often all is drawn anew until they do.
  public var attempts: Int

  /// A partition.
  public init(alpha: Double, clientCount: Int, minimumCount: Int = 10, attempts: Int = 100) {
    expect(
      alpha > 0 && clientCount > 0 && attempts > 0,
      "Dirichlet partition: α = \(alpha), \(clientCount) clients, \(attempts) attempts"
    )
    self.alpha = alpha
    self.clientCount = clientCount
    self.minimumCount = minimumCount
    self.attempts = attempts
  }

  /// The examples of each client.
  ///
  /// - Throws: `PartitionError.tooFewExamples` if no draw gives every client enough.
  public func callAsFunction(
    labels: [Int32],
    using generator: inout Philox
  ) throws(PartitionError) -> DataPartition {
    let order = DataPartition.permutation(labels.count, using: &generator)
    let classes = Set(labels).sorted()
    for _ in 0..<attempts {
      var shares: [Int32: [Double]] = [:]
      for label in classes {
        shares[label] = dirichlet(alpha: alpha, count: clientCount, using: &generator)
      }
      let parts = Self.divide(order, labels: labels, shares: shares, clientCount: clientCount)
      if parts.clients.allSatisfy({ $0.count >= minimumCount }) { return parts }
    }
    throw .tooFewExamples(minimum: minimumCount, clients: clientCount, attempts: attempts)
  }

  /// The examples of each client for given shares of each class; `order` says in which order the
  /// examples of a class are handed out.
  static func divide(
    _ order: [Int],
    labels: [Int32],
    shares: [Int32: [Double]],
    clientCount: Int
  ) -> DataPartition {
    var clients = [[Int]](repeating: [], count: clientCount)
    var members: [Int32: [Int]] = [:]
    for index in order { members[labels[index], default: []].append(index) }
    for (label, indices) in members.sorted(by: { $0.key < $1.key }) {
      let cuts = cuts(of: indices.count, shares: shares[label] ?? [])
      for (client, range) in zip([0] + cuts, cuts).enumerated() where client < clientCount {
        clients[client] += indices[range.0..<range.1]
      }
    }
    return DataPartition(clients: clients)
  }

  /// ⌊count · Σ_{i≤j} share_i⌋ for each j, the last one `count`.
  static func cuts(of count: Int, shares: [Double]) -> [Int] {
    var sum = 0.0
    var cuts = shares.map { share -> Int in
      sum += share
      return min(max(Int((Double(count) * sum).rounded(.down)), 0), count)
    }
    if !cuts.isEmpty { cuts[cuts.count - 1] = count }
    return cuts
  }
}

/// Shares drawn from Dirichlet's distribution with all parameters α.
///
/// In log space throughout: for α = 0.05 most gamma variates are below the smallest double.
func dirichlet(alpha: Double, count: Int, using generator: inout Philox) -> [Double] {
  let logs = (0..<count).map { _ in generator.logGamma(shape: alpha) }
  let largest = logs.max() ?? 0
  let weights = logs.map { exp($0 - largest) }
  let total = weights.reduce(0, +)
  return weights.map { $0 / total }
}

extension Philox {
  /// A number in (0, 1): 53 random bits and a half.
  mutating func openUniform() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

  /// A normal number, by Box and Muller's transform.
  mutating func normal() -> Double {
    let radius = (-2 * log(openUniform())).squareRoot()
    return radius * cos(2 * .pi * openUniform())
  }

  /// The logarithm of a gamma variate of this shape and scale 1.
  ///
  /// - Source: Marsaglia and Tsang 2000; below a shape of 1, G(α) = G(α + 1) U^{1/α}.
  mutating func logGamma(shape: Double) -> Double {
    if shape < 1 { return logGamma(shape: shape + 1) + log(openUniform()) / shape }
    let d = shape - 1 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      guard root > 0 else { continue }
      let v = root * root * root
      if log(openUniform()) < x * x / 2 + d - d * v + d * log(v) { return log(d * v) }
    }
  }
}
