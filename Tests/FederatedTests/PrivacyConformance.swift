import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Federated

extension FederatedConformance {
  /// Clipping, noise, accountant, secure sums, Dirichlet cuts.
  @Suite struct Privacy {
    @Test func centralPrivacy() throws {
      let fixture = try FederatedFixture("differential_privacy")
      let rows = try fixture.rows("delta")
      let bound = try fixture.number("S")
      let contributions = rows.map { contribution(vector($0)) }
      expectClose(
        contributions.map { Float($0.norm) },
        try fixture.numbers("norm"),
        relative: 1e-6,
        absolute: 1e-6
      )
      let clipped = try fixture.rows("clipped")
      for (row, contribution) in NormClipping(bound: bound)(contributions).enumerated() {
        let delta = contribution.update.delta.tensors[0] * Float(contribution.scale)
        expectClose(delta.elements, clipped[row], absolute: 1e-6)
      }
      let mechanism = CentralPrivacy(
        clippingNorm: bound,
        noiseMultiplier: try fixture.number("noise_multiplier"),
        expectedClients: Double(rows.count)
      )
      let global = vector(rows[0].map { _ in 0 })
      let noise = vector(try fixture.numbers("z"))
      let result = mechanism.mean(contributions, like: global, noise: noise)
      expectClose(result.average.tensors[0].elements, try fixture.numbers("out"), absolute: 1e-6)
    }

    @Test func accountant() throws {
      let table = try FederatedFixture("differential_privacy").list("accountant")
      #expect(!table.isEmpty)
      for row in table {
        func number(_ key: String) throws -> Double { try #require(row[key]?.doubleValue) }
        let (q, z) = (try number("q"), try number("noise"))
        var accountant = PrivacyAccountant()
        accountant.add(samplingRate: q, noiseMultiplier: z, rounds: Int(try number("steps")))
        let bound = accountant.bound(delta: try number("delta"))
        expectClose([bound.epsilon], [try number("epsilon")], relative: 1e-9)
        #expect(bound.order == Int(try number("best_order")))
        expectClose(
          [PrivacyAccountant.divergence(order: 8, samplingRate: q, noiseMultiplier: z)],
          [try number("rdp_order_8")],
          relative: 1e-9
        )
      }
    }

    @Test func secureSums() throws {
      let fixture = try FederatedFixture("secure_aggregation")
      let format = FixedPoint(
        bound: try fixture.number("clip"),
        fractionBits: Int(try fixture.number("fraction_bits"))
      )
      let encoded = try fixture.rows("x").map { format.encode($0) }
      #expect(encoded == (try fixture.words("encoded")))
      let (own, pairs) = (try fixture.words("own_mask"), try fixture.words("pair_mask"))
      let order = try fixture.list("pair_order").map {
        ($0.arrayValue ?? []).compactMap(\.intValue)
      }
      let uploads = try fixture.words("upload")
      // The uploads are sums with the signs of the masks, and the masks leave the sums exactly.
      for client in encoded.indices {
        var vector = zip(encoded[client], own[client]).map { $0 &+ $1 }
        for (pair, mask) in zip(order, pairs) where pair.contains(client) {
          let adds = pair[0] == client
          for index in vector.indices {
            vector[index] = adds ? vector[index] &+ mask[index] : vector[index] &- mask[index]
          }
        }
        #expect(vector == uploads[client])
      }
      func sum(_ clients: [Int]) -> [Float] {
        var total = [UInt32](repeating: 0, count: encoded[0].count)
        for client in clients {
          for index in total.indices { total[index] &+= encoded[client][index] }
        }
        return format.decode(total).map(Float.init)
      }
      #expect(sum(Array(encoded.indices)) == (try fixture.numbers("sum_all")))
      #expect(sum(Array(encoded.indices.dropLast())) == (try fixture.numbers("sum_without_3")))
    }

    static let partitions = FederatedFixture.cases("dirichlet", suffix: ".P")

    @Test(arguments: partitions) func dirichletCuts(name: String) throws {
      let fixture = try FederatedFixture("dirichlet")
      let (shares, labels) = (try fixture.rows(name + ".P"), try fixture.integers(name + ".labels"))
      let table = Dictionary(
        uniqueKeysWithValues: shares.enumerated().map { (Int32($0), $1.map(Double.init)) }
      )
      let parts = DirichletPartition.divide(
        Array(labels.indices),
        labels: labels,
        shares: table,
        clientCount: shares[0].count
      )
      var owner = [Int32](repeating: -1, count: labels.count)
      var counts = [Int32](repeating: 0, count: shares.count * shares[0].count)
      for (client, indices) in parts.clients.enumerated() {
        for index in indices {
          owner[index] = Int32(client)
          counts[Int(labels[index]) * shares[0].count + client] += 1
        }
      }
      #expect(owner == (try fixture.integers(name + ".owner")))
      #expect(counts == (try fixture.integers(name + ".counts")))
    }

    /// Means over 40 seeds within three standard errors of the file's means over 300.
    @Test func dirichletStatistics() throws {
      let stats = try #require(try FederatedFixture("dirichlet").metadata["stats"]?.objectValue)
      let labels = (0..<6000).map { Int32($0 / 600) }
      let seeds = 40.0
      for (alpha, expected) in stats {
        let partition = DirichletPartition(
          alpha: try #require(Double(alpha)),
          clientCount: 10,
          minimumCount: 0
        )
        var (entropy, variation, share) = (0.0, 0.0, 0.0)
        for seed in 0..<Int(seeds) {
          var generator = Philox(seed: UInt64(seed) + 7)
          let parts = try partition(labels: labels, using: &generator)
          let found = parts.statistics(labels: labels, classCount: 10)
          entropy += found.labelEntropy / seeds
          variation += found.sizeVariation / seeds
          share += found.largestClassShare / seeds
        }
        func check(_ found: Double, _ key: String, errorKey: String, clients: Double) throws {
          let mean = try #require(expected["\(key)_mean"]?.doubleValue)
          let deviation = try #require(expected[errorKey]?.doubleValue)
          let error = deviation * (1 / (seeds * clients) + 1 / (300 * clients)).squareRoot()
          #expect(abs(found - mean) <= 3 * error, "α \(alpha) \(key): \(found), expected \(mean)")
        }
        try check(
          entropy,
          "client_label_entropy",
          errorKey: "client_label_entropy_sd",
          clients: 10
        )
        try check(variation, "client_size_cv", errorKey: "client_size_cv_sd", clients: 1)
      }
    }
  }
}
