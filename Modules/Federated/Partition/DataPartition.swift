public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The examples of each client, as indices of a data set.
public struct DataPartition: Codable, Hashable, Sendable {
  /// The indices of each client's examples.
  public let clients: [[Int]]

  /// Given parts.
  public init(clients: [[Int]]) { self.clients = clients }

  /// Every client gets an equal share of shuffled examples; the first ones get one more if needed.
  public static func even(
    exampleCount: Int,
    clientCount: Int,
    using generator: inout Philox
  ) -> DataPartition {
    expect(clientCount > 0, "partition: \(clientCount) clients")
    let order = permutation(exampleCount, using: &generator)
    return DataPartition(
      clients: (0..<clientCount).map { client in
        let start = client * exampleCount / clientCount
        return Array(order[start..<(client + 1) * exampleCount / clientCount])
      }
    )
  }

  /// Examples sorted by label and cut into pieces, of which every client gets some at random.
  ///
  /// - Source: McMahan et al. 2017, section 3: two pieces for each client.
  public static func shards(
    labels: [Int32],
    clientCount: Int,
    shardsPerClient: Int = 2,
    using generator: inout Philox
  ) -> DataPartition {
    expect(
      clientCount > 0 && shardsPerClient > 0,
      "partition: \(shardsPerClient) shards for each of \(clientCount) clients"
    )
    let order = permutation(labels.count, using: &generator)
    let sorted = order.enumerated().sorted {
      (labels[$0.element], $0.offset) < (labels[$1.element], $1.offset)
    }.map(\.element)
    let count = clientCount * shardsPerClient
    let shards = permutation(count, using: &generator)
    return DataPartition(
      clients: (0..<clientCount).map { client in
        shards[client * shardsPerClient..<(client + 1) * shardsPerClient].flatMap { shard in
          sorted[shard * sorted.count / count..<(shard + 1) * sorted.count / count]
        }
      }
    )
  }

  /// Clients of different sizes, drawn from Dirichlet's distribution, with the same mix of labels.
  ///
  /// - Throws: `PartitionError.tooFewExamples` if no draw gives every client enough.
  public static func quantitySkew(
    exampleCount: Int,
    clientCount: Int,
    alpha: Double,
    minimumCount: Int = 10,
    attempts: Int = 100,
    using generator: inout Philox
  ) throws(PartitionError) -> DataPartition {
    expect(clientCount > 0, "partition: \(clientCount) clients")
    let order = permutation(exampleCount, using: &generator)
    for _ in 0..<attempts {
      let shares = dirichlet(alpha: alpha, count: clientCount, using: &generator)
      let cuts = DirichletPartition.cuts(of: exampleCount, shares: shares)
      let parts = zip([0] + cuts, cuts).map { Array(order[$0..<$1]) }
      if parts.allSatisfy({ $0.count >= minimumCount }) { return DataPartition(clients: parts) }
    }
    throw .tooFewExamples(minimum: minimumCount, clients: clientCount, attempts: attempts)
  }

  static func permutation(_ count: Int, using generator: inout Philox) -> [Int] {
    Tensor<Int32>.permutation(count, using: &generator).elements.map(Int.init)
  }
}

/// Why data could not be divided.
public enum PartitionError: Error, Equatable, Sendable {
  /// No draw gave every client that many examples.
  case tooFewExamples(minimum: Int, clients: Int, attempts: Int)
}

extension PartitionError: CustomStringConvertible {
  /// The numbers, and what to do.
  public var description: String {
    switch self {
    case .tooFewExamples(let minimum, let clients, let attempts):
      "partition: none of \(attempts) draws gave each of \(clients) clients \(minimum) examples; "
        + "take fewer clients, a larger alpha or a smaller minimum"
    }
  }
}

extension DataPartition {
  /// How the labels lie among the clients.
  public struct Statistics: Codable, Hashable, Sendable {
    /// The mean over clients of the entropy of their labels, in nats.
    public var labelEntropy: Double
    /// The deviation of the clients' sizes over their mean.
    public var sizeVariation: Double
    /// The mean over clients of the share of their most frequent label.
    public var largestClassShare: Double
  }

  /// How labels of 0 ..< `classCount` lie among the clients; empty clients count in the sizes only.
  public func statistics(labels: [Int32], classCount: Int) -> Statistics {
    let sizes = clients.map { Double($0.count) }
    var (entropies, shares): ([Double], [Double]) = ([], [])
    for indices in clients where !indices.isEmpty {
      var counts = [Double](repeating: 0, count: classCount)
      for index in indices { counts[Int(labels[index])] += 1 }
      let parts = counts.map { $0 / Double(indices.count) }
      entropies.append(parts.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 })
      shares.append(parts.max() ?? 0)
    }
    let mean = sizes.reduce(0, +) / Double(max(sizes.count, 1))
    let variance =
      sizes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(sizes.count, 1))
    let divisor = Double(max(entropies.count, 1))
    return Statistics(
      labelEntropy: entropies.reduce(0, +) / divisor,
      sizeVariation: mean > 0 ? variance.squareRoot() / mean : 0,
      largestClassShare: shares.reduce(0, +) / divisor
    )
  }
}

/// Noise on the inputs that differs from client to client: N(0, σ² (k + 1)/K) for client k of K.
///
/// - Source: Li et al. 2022, "Federated Learning on Non-IID Data Silos", section 4.2.
public struct FeatureSkew: Codable, Hashable, Sendable {
  /// σ, the deviation at the last client.
  public var deviation: Double

  /// A skew.
  public init(deviation: Double) { self.deviation = deviation }

  /// The inputs of a client with its noise.
  public func callAsFunction(
    _ inputs: Tensor<Float>,
    client: Int,
    of clientCount: Int,
    using generator: inout Philox
  ) -> Tensor<Float> {
    let variance = deviation * deviation * Double(client + 1) / Double(clientCount)
    return inputs
      + .normal(inputs.shape, deviation: Float(variance.squareRoot()), using: &generator)
  }
}
