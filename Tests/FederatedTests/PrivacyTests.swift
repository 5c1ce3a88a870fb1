import Foundation
import Tensor
import TestSupport
import Testing

@testable import Federated

/// Diffie–Hellman in the multiplicative group modulo 2^61 − 1, each of four words by itself: enough
/// for tests of what is done with keys.
private struct ToyAgreement: KeyAgreement {
  func publicKey(of privateKey: [UInt8]) -> [UInt8] { power(privateKey, of: nil) }

  func sharedSecret(privateKey: [UInt8], publicKey: [UInt8]) -> [UInt8] {
    power(privateKey, of: publicKey)
  }

  private func power(_ exponent: [UInt8], of base: [UInt8]?) -> [UInt8] {
    (0..<4).flatMap { word -> [UInt8] in
      func number(_ bytes: [UInt8]) -> UInt64 {
        bytes[8 * word..<8 * word + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
      }
      var (result, factor, rest) = (UInt64(1), base.map(number) ?? 37, number(exponent))
      while rest > 0 {
        if rest & 1 == 1 { result = Mersenne61.multiply(result, factor) }
        factor = Mersenne61.multiply(factor, factor)
        rest >>= 1
      }
      return (0..<8).map { UInt8(truncatingIfNeeded: result >> UInt64(8 * $0)) }
    }
  }
}

@Suite struct PrivacyTests {
  /// RFC 8439, sections 2.3.2 and A.1 (the first two vectors).
  @Test func chaCha20AgreesWithItsStandard() {
    func hex(_ words: [UInt32]) -> String {
      words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
        .map { String(format: "%02x", $0) }.joined()
    }
    let stream = ChaCha20(
      key: (0..<32).map { UInt8($0) },
      nonce: SIMD3(0x0900_0000, 0x4A00_0000, 0)
    )
    #expect(
      hex(stream.words(16, from: 1))
        == "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        + "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )
    let zeros = ChaCha20(key: [UInt8](repeating: 0, count: 32), nonce: SIMD3())
    #expect(
      hex(zeros.words(32))
        == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        + "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        + "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        + "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    #expect(zeros.words(20).last == zeros.words(32)[19])
  }

  @Test func sharesGiveTheSecretBack() throws {
    var generator = Philox(seed: 1)
    let secret = (0..<32).map { UInt8(255 - 3 * $0) }
    let sharing = ShamirSharing(threshold: 4)
    let shares = sharing.split(secret, among: [3, 0, 9, 7, 5, 1], using: &generator)
    for holders in [[3, 0, 9, 7], [1, 5, 7, 9], [5, 3, 1, 0, 9]] {
      #expect(try sharing.secret(from: holders.compactMap { shares[$0] }, byteCount: 32) == secret)
    }
    let three = [3, 0, 9].compactMap { shares[$0] }
    #expect(throws: SecureAggregationError.tooFewShares(found: 3, needed: 4)) {
      try sharing.secret(from: three, byteCount: 32)
    }
    #expect(throws: SecureAggregationError.invalidShares) {
      try sharing.secret(from: three + [three[0]], byteCount: 32)
    }
    // Three shares say nothing: every secret is consistent with them; a wrong fourth gives another.
    let forged = SecretShare(point: 8, values: shares[7]?.values.map { $0 ^ 1 } ?? [])
    let wrong = try? sharing.secret(from: three + [forged], byteCount: 32)
    #expect(wrong != secret)
  }

  @Test func fieldArithmeticHolds() {
    var generator = Philox(seed: 5)
    for _ in 0..<200 {
      let a = 1 + generator.next() % (Mersenne61.modulus - 1)
      let b = generator.next() % Mersenne61.modulus
      #expect(Mersenne61.multiply(a, Mersenne61.inverse(a)) == 1)
      #expect(Mersenne61.add(Mersenne61.subtract(a, b), b) == a)
      let (high, low) = a.multipliedFullWidth(by: b)
      #expect(
        Mersenne61.multiply(a, b) == Mersenne61.modulus.dividingFullWidth((high, low)).remainder
      )
    }
  }

  /// Clients and a server that have gone through the first two phases.
  private func prepared(
    _ session: SecureSession,
    using generator: inout Philox
  ) throws -> ([SecureClient<ToyAgreement>], SecureServer<ToyAgreement>) {
    var clients: [SecureClient<ToyAgreement>] = []
    var server = SecureServer(session, agreement: ToyAgreement())
    for client in session.clients {
      let secrets = (0..<2).map { _ in
        (0..<32).map { _ in UInt8(generator.integer(below: 256)) }
      }
      clients.append(
        try SecureClient(
          client,
          in: session,
          privateKey: secrets[0],
          ownSeed: secrets[1],
          agreement: ToyAgreement()
        )
      )
    }
    for client in clients { try server.advertise(client.publicKey(), of: client.client) }
    for owner in clients.indices {
      let shares = clients[owner].shares(using: &generator)
      for (holder, share) in shares { try clients[holder].keep(share, of: owner) }
    }
    return (clients, server)
  }

  /// All phases: the sum of those who uploaded is exact, whoever drops out.
  @Test(arguments: [[], [2], [0, 4]]) func secureSumIsTheSum(dropped: [Int]) throws {
    let length = 37
    let session = try SecureSession(round: 3, clients: Array(0..<6), length: length)
    #expect(session.threshold == 4)
    var generator = Philox(seed: 8)
    var (clients, server) = try prepared(session, using: &generator)
    let values = clients.map { _ in Tensor<Float>.normal([length], using: &generator).elements }
    var expected = [UInt32](repeating: 0, count: length)
    for client in clients where !dropped.contains(client.client) {
      let upload = try client.upload(values[client.client], publicKeys: server.publicKeys)
      #expect(upload != session.format.encode(values[client.client]))
      try server.receive(upload, of: client.client)
      let encoded = session.format.encode(values[client.client])
      for index in expected.indices { expected[index] &+= encoded[index] }
    }
    let (own, pair) = session.requests(uploaded: server.uploaded)
    #expect(pair == dropped)
    var revealed: [RevealedShares] = []
    for index in clients.indices where !dropped.contains(index) {
      revealed.append(try clients[index].reveal(ownMasks: own, pairKeys: pair))
    }
    #expect(try server.sum(revealed) == session.format.decode(expected))
    // The other secret of anybody is never told afterwards.
    #expect(throws: SecureAggregationError.bothSecrets(client: 1)) {
      try clients[3].reveal(ownMasks: own, pairKeys: [1])
    }
    #expect(throws: SecureAggregationError.self) { try server.sum(Array(revealed.prefix(3))) }
  }

  @Test func sessionsNeedThreeClients() {
    #expect(throws: SecureAggregationError.tooFewClients(found: 2, needed: 3)) {
      try SecureSession(round: 0, clients: [1, 2, 2], length: 1)
    }
    #expect(FixedPoint().maximumClients == 8191)
  }

  /// Three devices of a plan.
  private func group(
    _ plan: DevicePlan,
    _ global: ParameterSet,
    seed: UInt64
  ) throws -> [Contribution] {
    let compression = ComposedCompression(SampleModels.mlp)
    return try (0..<3).map { member in
      let local = try compression.compress(global, plan: plan, seed: 0)
      let change = SampleModels.change(local, seed: seed + UInt64(member))
      let update = ParameterUpdate(delta: change, exampleCount: 10 * (member + 1))
      return Contribution(
        client: member,
        update: try compression.lift(update, of: local),
        exampleCount: update.exampleCount
      )
    }
  }

  /// Both ways to sum updates of several plans give the plain mean, to the steps of the fixed point.
  @Test func secureMeansAgreeWithPlainOnes() throws {
    let model = SampleModels.mlp
    let global = SampleModels.parameters(model, seed: 1)
    let vectors = SecureVectors(largestWeight: 30)
    let format = FixedPoint()
    func sum(_ vectors: [[Float]]) -> [Double] {
      var total = [UInt32](repeating: 0, count: vectors[0].count)
      for vector in vectors {
        for (index, word) in format.encode(vector).enumerated() { total[index] &+= word }
      }
      return format.decode(total)
    }
    var (plain, groups): ([Contribution], [Contribution]) = ([], [])
    for (index, plan) in [
      DevicePlan.slice(Rate(1, of: 2)), .full, DevicePlan(mask: MaskPlan(density: Rate(1, of: 2))),
    ].enumerated() {
      let members = try group(plan, global, seed: 10 * UInt64(index))
      plain += members
      groups.append(
        vectors.contribution(
          ofGroup: sum(
            members.map {
              vectors.covered($0.update, weight: Double($0.exampleCount), like: global)
            }
          ),
          weights: members.map { Double($0.exampleCount) },
          pattern: members[0].update,
          like: global
        )
      )
    }
    let expected = CoverageMean()(plain, like: global)
    let grouped = CoverageMean()(groups, like: global)
    let whole = vectors.mean(
      ofSum: sum(
        plain.map { vectors.full($0.update, weight: Double($0.exampleCount), like: global) }
      ),
      like: global
    )
    #expect(grouped.counts == expected.counts && grouped.applied == expected.applied)
    for place in global.names.indices {
      let mean = expected.average.tensors[place]
      expectClose(grouped.average.tensors[place], mean, absolute: 1e-4)
      expectClose(whole.average.tensors[place], mean, absolute: 1e-4)
      expectClose(whole.weights.tensors[place], expected.weights.tensors[place], absolute: 1e-2)
    }
  }

  @Test func centralNoiseReachesEveryEntry() {
    let global = ParameterSet([("a", .zeros([40, 50])), ("b", .zeros([10]))])
    var update = contribution(ParameterSet([("b", Tensor(repeating: 9, shape: [10]))]))
    update.weightFactor = 100
    let mechanism = CentralPrivacy(clippingNorm: 2, noiseMultiplier: 0.5, expectedClients: 4)
    var generator = Philox(seed: 3)
    let result = mechanism([update], like: global, using: &generator)
    #expect(result.applied == .full(of: global))
    let noise = result.average.tensors[0].elements
    let deviation = (noise.reduce(0) { $0 + $1 * $1 } / Float(noise.count)).squareRoot()
    // σ = 0.5 · 2 / 4; its estimate over 2000 draws is off by 1.6 %.
    expectClose([deviation], [0.25], relative: 0.06)
    // The update is clipped to a norm of 2 and divided by 4: each entry 0.158.
    let mean = result.average.tensors[1].elements.reduce(0, +) / 10
    expectClose([mean], [2 / Float(10).squareRoot() / 4], absolute: 0.25)
  }

  @Test func noiseForATargetIsTheSmallest() throws {
    let noise = try #require(
      PrivacyAccountant.noiseMultiplier(epsilon: 3, delta: 1e-5, samplingRate: 0.1, rounds: 50)
    )
    func epsilon(_ noise: Double) -> Double {
      var accountant = PrivacyAccountant()
      accountant.add(samplingRate: 0.1, noiseMultiplier: noise, rounds: 50)
      return accountant.epsilon(delta: 1e-5)
    }
    #expect(epsilon(noise) <= 3 && epsilon(noise - 0.001) > 3)
    #expect(
      PrivacyAccountant().epsilon(delta: 1e-5) == 0
        || PrivacyAccountant().epsilon(delta: 1e-5) < 0.1
    )
  }
}
