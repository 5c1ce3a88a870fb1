import Tensor

// Client i uploads, modulo 2³²,
//
//     y_i = x_i + b_i + Σ_{j > i} m_ij − Σ_{j < i} m_ji
//
// In the sum of all uploads the pair masks m cancel; the own masks b are removed at the end.

/// The masks of secure aggregation, streams of 32-byte secrets.
///
/// Pair secrets may last for many rounds: the round and both clients are in the stream's nonce. The
/// secret of an own mask must be new in every round.
public enum AggregationMask {
  /// m_ij, which the client of lower number adds and the other one subtracts.
  public static func pair(
    secret: [UInt8],
    round: Int,
    between first: Int,
    and second: Int,
    count: Int
  ) -> [UInt32] {
    stream(secret, round, min(first, second), max(first, second)).words(count)
  }

  /// b_i.
  public static func own(secret: [UInt8], round: Int, client: Int, count: Int) -> [UInt32] {
    stream(secret, round, client, client).words(count)
  }

  /// Adds the pair mask of a client with a peer to a vector, with the client's sign.
  static func addPair(
    to vector: inout [UInt32],
    secret: [UInt8],
    round: Int,
    client: Int,
    peer: Int
  ) {
    let adds = client < peer
    let source = stream(secret, round, min(client, peer), max(client, peer))
    vector.withUnsafeMutableBufferPointer { vector in
      source.forEachWord(vector.count) { index, word in
        vector[index] = adds ? vector[index] &+ word : vector[index] &- word
      }
    }
  }

  /// Adds or subtracts the own mask of a client.
  static func addOwn(
    to vector: inout [UInt32],
    secret: [UInt8],
    round: Int,
    client: Int,
    isRemoved: Bool = false
  ) {
    let source = stream(secret, round, client, client)
    vector.withUnsafeMutableBufferPointer { vector in
      source.forEachWord(vector.count) { index, word in
        vector[index] = isRemoved ? vector[index] &- word : vector[index] &+ word
      }
    }
  }

  private static func stream(
    _ secret: [UInt8],
    _ round: Int,
    _ first: Int,
    _ second: Int
  ) -> ChaCha20 {
    guard let round = UInt32(exactly: round), let first = UInt32(exactly: first),
      let second = UInt32(exactly: second)
    else { fatalError("aggregation mask: round \(round), clients \(first) and \(second)") }
    return ChaCha20(key: secret, nonce: SIMD3(round, first, second))
  }
}
