import Tensor

// Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning", for
// an honest-but-curious server. Four phases:
//
//     advertise   every client sends the public key of its pair masks
//     share       every client splits its pair key and the seed of its own mask among all
//     upload      every client sends its masked vector
//     unmask      clients tell shares: of the own mask of those who uploaded, of the pair key of
//                 those who did not, never of both

/// How two clients come to a common secret: Diffie–Hellman with a derivation of 32 bytes.
public protocol KeyAgreement: Sendable {
  /// The public key of a private key of 32 bytes.
  func publicKey(of privateKey: [UInt8]) throws -> [UInt8]
  /// The 32 bytes that both sides derive.
  func sharedSecret(privateKey: [UInt8], publicKey: [UInt8]) throws -> [UInt8]
}

/// What all sides of one secure sum agree on.
///
/// Limits: the server is honest but curious; fewer than three clients hide nothing; nobody is kept
/// from sending wrong numbers.
public struct SecureSession: Codable, Hashable, Sendable {
  /// The smallest group whose sum hides anything.
  public static let minimumClients = 3

  /// The round, which is part of every mask.
  public let round: Int
  /// The clients' numbers, ascending.
  public let clients: [Int]
  /// t, how many clients must stay to the end: ⌈2K/3⌉.
  public let threshold: Int
  /// The numbers of a vector.
  public let length: Int
  /// How numbers become integers.
  public let format: FixedPoint

  /// A session.
  ///
  /// - Throws: `SecureAggregationError.tooFewClients` for fewer than three clients or more than the
  ///   format can sum.
  public init(
    round: Int,
    clients: [Int],
    length: Int,
    format: FixedPoint = FixedPoint()
  ) throws(SecureAggregationError) {
    expect(round >= 0 && length >= 0, "secure session: round \(round), \(length) numbers")
    let clients = Set(clients).sorted()
    guard clients.count >= Self.minimumClients else {
      throw .tooFewClients(found: clients.count, needed: Self.minimumClients)
    }
    guard let first = clients.first, first >= 0, let last = clients.last,
      last < Int(UInt32.max), clients.count <= format.maximumClients
    else { throw .unknownClient(clients.first { $0 < 0 } ?? clients[clients.count - 1]) }
    self.round = round
    self.clients = clients
    self.length = length
    self.format = format
    threshold = (2 * clients.count + 2) / 3
  }

  private enum CodingKeys: String, CodingKey { case round, clients, length, format }

  /// Reads a session, which must be one that `init` makes.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let round = try values.decode(Int.self, forKey: .round)
    let length = try values.decode(Int.self, forKey: .length)
    guard round >= 0, round < Int(UInt32.max), length >= 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .round,
        in: values,
        debugDescription: "round \(round), \(length) numbers"
      )
    }
    try self.init(
      round: round,
      clients: values.decode([Int].self, forKey: .clients),
      length: length,
      format: values.decode(FixedPoint.self, forKey: .format)
    )
  }

  /// Writes what `init` needs.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(round, forKey: .round)
    try values.encode(clients, forKey: .clients)
    try values.encode(length, forKey: .length)
    try values.encode(format, forKey: .format)
  }

  /// Which secret of each client is told when only some uploaded.
  public func requests(uploaded: Set<Int>) -> (ownMasks: [Int], pairKeys: [Int]) {
    (clients.filter(uploaded.contains), clients.filter { !uploaded.contains($0) })
  }
}

/// The shares of one client's two secrets that another one keeps.
public struct HeldShares: Codable, Hashable, Sendable {
  /// Of the private key of its pair masks.
  public let pairKey: SecretShare
  /// Of the seed of its own mask.
  public let ownSeed: SecretShare

  /// Two shares.
  public init(pairKey: SecretShare, ownSeed: SecretShare) {
    self.pairKey = pairKey
    self.ownSeed = ownSeed
  }
}

/// The shares that a client tells at the end, by the client that they are of.
public struct RevealedShares: Codable, Hashable, Sendable {
  /// Of own masks, of clients that uploaded.
  public var ownSeeds: [Int: SecretShare]
  /// Of pair keys, of clients that did not.
  public var pairKeys: [Int: SecretShare]

  /// Shares by client.
  public init(ownSeeds: [Int: SecretShare] = [:], pairKeys: [Int: SecretShare] = [:]) {
    self.ownSeeds = ownSeeds
    self.pairKeys = pairKeys
  }
}
