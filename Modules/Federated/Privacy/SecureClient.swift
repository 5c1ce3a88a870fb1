import Tensor

/// One client's part of a secure sum.
public struct SecureClient<Agreement: KeyAgreement>: Sendable {
  /// What all agree on.
  public let session: SecureSession
  /// The client's number.
  public let client: Int
  private let agreement: Agreement
  private let privateKey: [UInt8]
  private let ownSeed: [UInt8]
  private var held: [Int: HeldShares] = [:]
  private var answered: (ownMasks: Set<Int>, pairKeys: Set<Int>) = ([], [])

  /// A client with its two secrets of 32 bytes, which must be new and hard to guess.
  ///
  /// - Throws: `SecureAggregationError.unknownClient` if the session does not have the client.
  public init(
    _ client: Int,
    in session: SecureSession,
    privateKey: [UInt8],
    ownSeed: [UInt8],
    agreement: Agreement
  ) throws(SecureAggregationError) {
    expect(
      privateKey.count == 32 && ownSeed.count == 32,
      "secure client: secrets of \(privateKey.count) and \(ownSeed.count) bytes, 32 are needed"
    )
    guard session.clients.contains(client) else { throw .unknownClient(client) }
    self.session = session
    self.client = client
    self.privateKey = privateKey
    self.ownSeed = ownSeed
    self.agreement = agreement
  }

  /// Phase 1: the public key.
  ///
  /// - Throws: what the agreement throws.
  public func publicKey() throws -> [UInt8] { try agreement.publicKey(of: privateKey) }

  /// Phase 2: what each client keeps of this one's secrets, to be sent under encryption.
  public func shares(using generator: inout some RandomNumberGenerator) -> [Int: HeldShares] {
    let sharing = ShamirSharing(threshold: session.threshold)
    let keys = sharing.split(privateKey, among: session.clients, using: &generator)
    let seeds = sharing.split(ownSeed, among: session.clients, using: &generator)
    return keys.reduce(into: [:]) { result, entry in
      guard let seed = seeds[entry.key] else { return }
      result[entry.key] = HeldShares(pairKey: entry.value, ownSeed: seed)
    }
  }

  /// Phase 2: keeps the shares of another client.
  ///
  /// - Throws: `SecureAggregationError.unknownClient`.
  public mutating func keep(
    _ shares: HeldShares,
    of other: Int
  ) throws(SecureAggregationError) {
    guard session.clients.contains(other) else { throw .unknownClient(other) }
    held[other] = shares
  }

  /// Phase 3: the masked vector.
  ///
  /// - Parameters:
  ///   - values: as many numbers as the session says.
  ///   - publicKeys: of all clients.
  /// - Returns: what is uploaded.
  /// - Throws: `SecureAggregationError`, or what the agreement throws.
  public func upload(_ values: [Float], publicKeys: [Int: [UInt8]]) throws -> [UInt32] {
    guard values.count == session.length else {
      throw SecureAggregationError.wrongLength(
        client: client,
        expected: session.length,
        found: values.count
      )
    }
    var vector = session.format.encode(values)
    AggregationMask.addOwn(to: &vector, secret: ownSeed, round: session.round, client: client)
    for peer in session.clients where peer != client {
      guard let key = publicKeys[peer] else { throw SecureAggregationError.wrongKey(client: peer) }
      AggregationMask.addPair(
        to: &vector,
        secret: try agreement.sharedSecret(privateKey: privateKey, publicKey: key),
        round: session.round,
        client: client,
        peer: peer
      )
    }
    return vector
  }

  /// Phase 4: the shares that the server asks for.
  ///
  /// A client never tells both shares of another one, neither at once nor one after the other.
  ///
  /// - Parameters:
  ///   - ownMasks: the clients that uploaded.
  ///   - pairKeys: the clients that did not.
  /// - Returns: the shares that this client keeps of them.
  /// - Throws: `SecureAggregationError.bothSecrets`, or `.tooFewClients` if too few uploaded.
  public mutating func reveal(
    ownMasks: [Int],
    pairKeys: [Int]
  ) throws(SecureAggregationError) -> RevealedShares {
    let own = answered.ownMasks.union(ownMasks)
    let pair = answered.pairKeys.union(pairKeys)
    if let client = own.intersection(pair).sorted().first { throw .bothSecrets(client: client) }
    guard ownMasks.count >= session.threshold else {
      throw .tooFewClients(found: ownMasks.count, needed: session.threshold)
    }
    answered = (own, pair)
    var result = RevealedShares()
    for client in ownMasks { result.ownSeeds[client] = held[client]?.ownSeed }
    for client in pairKeys { result.pairKeys[client] = held[client]?.pairKey }
    return result
  }
}
