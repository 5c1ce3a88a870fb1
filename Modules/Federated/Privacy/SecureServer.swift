import Tensor

/// The server's part of a secure sum: it sees masked vectors, and their sum.
public struct SecureServer<Agreement: KeyAgreement>: Sendable {
  /// What all agree on.
  public let session: SecureSession
  private let agreement: Agreement
  /// The public keys by client.
  public private(set) var publicKeys: [Int: [UInt8]] = [:]
  private var uploads: [Int: [UInt32]] = [:]

  /// A server of a session.
  public init(_ session: SecureSession, agreement: Agreement) {
    self.session = session
    self.agreement = agreement
  }

  /// The clients that uploaded so far.
  public var uploaded: Set<Int> { Set(uploads.keys) }

  /// Phase 1: a client's public key.
  ///
  /// - Throws: `SecureAggregationError.unknownClient`.
  public mutating func advertise(
    _ publicKey: [UInt8],
    of client: Int
  ) throws(SecureAggregationError) {
    guard session.clients.contains(client) else { throw .unknownClient(client) }
    publicKeys[client] = publicKey
  }

  /// Phase 3: a client's masked vector; a second one of the same client does not count.
  ///
  /// - Throws: `SecureAggregationError` if the client or the length is not the session's.
  public mutating func receive(
    _ upload: [UInt32],
    of client: Int
  ) throws(SecureAggregationError) {
    guard session.clients.contains(client) else { throw .unknownClient(client) }
    guard upload.count == session.length else {
      throw .wrongLength(client: client, expected: session.length, found: upload.count)
    }
    if uploads[client] == nil { uploads[client] = upload }
  }

  /// Phase 4: the sum of the vectors that were uploaded.
  ///
  /// - Parameter revealed: what clients told for `session.requests(uploaded:)`.
  /// - Returns: Σ x over the clients that uploaded.
  /// - Throws: `SecureAggregationError`, or what the agreement throws.
  public func sum(_ revealed: [RevealedShares]) throws -> [Double] {
    let (owners, dropped) = session.requests(uploaded: uploaded)
    guard owners.count >= session.threshold else {
      throw SecureAggregationError.tooFewClients(found: owners.count, needed: session.threshold)
    }
    let sharing = ShamirSharing(threshold: session.threshold)
    var total = [UInt32](repeating: 0, count: session.length)
    for client in owners {
      if let upload = uploads[client] {
        for index in total.indices { total[index] &+= upload[index] }
      }
      let seed = try sharing.secret(
        from: revealed.compactMap { $0.ownSeeds[client] },
        byteCount: 32
      )
      AggregationMask.addOwn(
        to: &total,
        secret: seed,
        round: session.round,
        client: client,
        isRemoved: true
      )
    }
    for client in dropped { try removePairMasks(of: client, owners, sharing, revealed, &total) }
    return session.format.decode(total)
  }

  /// The uploads hold their side of the masks with a client that dropped out: adds its own side.
  private func removePairMasks(
    of client: Int,
    _ owners: [Int],
    _ sharing: ShamirSharing,
    _ revealed: [RevealedShares],
    _ total: inout [UInt32]
  ) throws {
    let shares = revealed.compactMap { $0.pairKeys[client] }
    // A client that never advertised has masks with nobody.
    guard let publicKey = publicKeys[client] else { return }
    let privateKey = try sharing.secret(from: shares, byteCount: 32)
    guard try agreement.publicKey(of: privateKey) == publicKey else {
      throw SecureAggregationError.wrongKey(client: client)
    }
    for owner in owners {
      guard let key = publicKeys[owner] else {
        throw SecureAggregationError.wrongKey(client: owner)
      }
      AggregationMask.addPair(
        to: &total,
        secret: try agreement.sharedSecret(privateKey: privateKey, publicKey: key),
        round: session.round,
        client: client,
        peer: owner
      )
    }
  }
}
