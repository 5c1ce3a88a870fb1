import Foundation
import Tensor
import TestSupport
import Testing

@testable import Federated

@Suite struct PlanningTests {
  let model = ModelDescription.mlp(widths: [784, 128, 64, 10])

  /// By hand: 784·128 + 128 + 128·64 + 64 + 64·10 + 10 parameters, two operations for each weight.
  @Test func costsOfTheWholeModel() {
    let cost = DeviceCost(model, plan: .full)
    #expect(cost.trainedCount == 109_386 && cost.frozenCount == 0)
    #expect(cost.forwardOperations == 2 * 109_184)
    #expect(cost.activationsPerSample == 202)
    #expect(cost.uplinkBytes == 4 * 109_386 && cost.downlinkBytes == 4 * 109_386)
    #expect(cost.memoryBytes(batchSize: 32) == 8 * 109_386 + 4 * 202 * 32)
    #expect(
      cost.memoryBytes(batchSize: 1, hasMomentum: true) - cost.memoryBytes(batchSize: 1)
        == 4 * 109_386
    )
  }

  @Test func costsAgreeWithTheModelsThatPlansMake() throws {
    for model in SampleModels.all {
      let global = SampleModels.parameters(model, seed: 1)
      for plan in SampleModels.plans where plan.rank != .energy(0.7) {
        let local = try ComposedCompression(model).compress(global, plan: plan, seed: 1)
        let cost = DeviceCost(model, plan: plan)
        #expect(cost.trainedCount == local.parameters.scalarCount, "\(plan)")
        // Masks of all layers together may leave more in one of them: only the sum is known.
        if plan.mask == nil { #expect(cost.uplinkBytes == 4 * local.trainedCount, "\(plan)") }
      }
    }
  }

  @Test func plannerTakesTheFirstPlanThatFits() throws {
    let planner = DevicePlanner(model, deadline: 60)
    func choice(_ device: DeviceClass) -> DevicePlanner.Choice {
      planner.choice(for: device.profile, exampleCount: 600)
    }
    guard case .plan(0, .full, _) = choice(.server) else {
      Issue.record("a server trains the whole model")
      return
    }
    guard case .plan(_, let small, let cost) = choice(.mcu) else {
      Issue.record("a microcontroller trains a slice")
      return
    }
    #expect(try #require(small.width).rate <= Rate(1, of: 4))
    #expect(Double(cost.memoryBytes(batchSize: 32)) <= 0.8 * Double(256 << 10))
    var weak = DeviceClass.mcu.profile
    weak.memoryBytes = 1000
    guard case .notEligible = planner.choice(for: weak, exampleCount: 600) else {
      Issue.record("nothing fits into 1000 bytes")
      return
    }
    weak = DeviceClass.server.profile
    weak.hasFloat = false
    guard case .notEligible = planner.choice(for: weak, exampleCount: 600) else {
      Issue.record("no plan without floating point")
      return
    }
  }

  @Test func schedulesGoDownFastAndUpSlowly() throws {
    let planner = DevicePlanner(model, deadline: 60)
    let profile = DeviceClass.gateway.profile
    var schedule = PlanSchedule(holdRounds: 3)
    func next() -> DevicePlan? { schedule.next(planner, profile: profile, exampleCount: 600) }
    func record(_ outcome: PlanSchedule.Outcome) {
      schedule.record(outcome, planner, profile: profile, exampleCount: 600)
    }
    #expect(next() == .full)
    record(.failed)
    let smaller = try #require(schedule.level)
    #expect(smaller > 0 && next() == planner.strategies[smaller])
    let full = DeviceCost(model, plan: .full).seconds(on: profile, exampleCount: 600, epochs: 1)
    let less = DeviceCost(model, plan: planner.strategies[smaller])
      .seconds(on: profile, exampleCount: 600, epochs: 1)
    #expect(less < full)
    record(.finished(seconds: 1))
    #expect(schedule.level == smaller)
    // A slow round in between starts the count anew.
    record(.finished(seconds: 50))
    record(.finished(seconds: 1))
    #expect(schedule.level == smaller)
    record(.finished(seconds: 1))
    #expect(try #require(schedule.level) < smaller)
    // Failures lead to the smallest plan and then to a rest.
    for _ in 0..<planner.strategies.count {
      _ = next()
      record(.failed)
      if schedule.level == nil { break }
    }
    #expect(schedule.level == nil && schedule.reason != nil)
    #expect(next() == nil && next() == nil && next() == nil)
    #expect(next() != nil)
  }

  @Test func plansAndDescriptionsSurviveCoding() throws {
    for plan in SampleModels.plans {
      let data = try JSONEncoder().encode(plan)
      #expect(try JSONDecoder().decode(DevicePlan.self, from: data) == plan)
    }
    let data = try JSONEncoder().encode(SampleModels.decoder)
    #expect(try JSONDecoder().decode(ModelDescription.self, from: data) == SampleModels.decoder)
    let wrong = Data(#"{"numerator": 3, "denominator": 2}"#.utf8)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Rate.self, from: wrong) }
  }
}

@Suite struct PartitionTests {
  private let labels = (0..<500).map { Int32($0 % 10) }

  private func isComplete(_ partition: DataPartition) -> Bool {
    partition.clients.flatMap { $0 }.sorted() == Array(0..<500)
  }

  @Test func everyExampleHasOneOwner() throws {
    var generator = Philox(seed: 1)
    let even = DataPartition.even(exampleCount: 500, clientCount: 7, using: &generator)
    #expect(isComplete(even) && Set(even.clients.map(\.count)) == [71, 72])
    let shards = DataPartition.shards(labels: labels, clientCount: 10, using: &generator)
    #expect(isComplete(shards))
    for client in shards.clients { #expect(Set(client.map { labels[$0] }).count <= 4) }
    #expect(shards.statistics(labels: labels, classCount: 10).labelEntropy < 0.8)
    let skewed = try DataPartition.quantitySkew(
      exampleCount: 500,
      clientCount: 5,
      alpha: 0.5,
      using: &generator
    )
    #expect(isComplete(skewed) && skewed.clients.allSatisfy { $0.count >= 10 })
    let dirichlet = try DirichletPartition(alpha: 0.5, clientCount: 5)(
      labels: labels,
      using: &generator
    )
    #expect(isComplete(dirichlet) && dirichlet.clients.allSatisfy { $0.count >= 10 })
    #expect(throws: PartitionError.self) {
      try DirichletPartition(alpha: 0.1, clientCount: 60)(labels: labels, using: &generator)
    }
  }

  /// Entropies of Dirichlet's shares agree with ψ(Kα + 1) − ψ(α + 1), for tiny α, too.
  @Test(arguments: [(0.05, 0.534), (0.1, 0.847), (0.5, 1.670), (5.0, 2.216)])
  func sharesHaveTheirEntropy(alpha: Double, expected: Double) {
    var generator = Philox(seed: 2)
    let entropies = (0..<2000).map { _ -> Double in
      let shares = dirichlet(alpha: alpha, count: 10, using: &generator)
      #expect(abs(shares.reduce(0, +) - 1) < 1e-9)
      return shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }
    let mean = entropies.reduce(0, +) / 2000
    let variance = entropies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2000
    // Three standard errors, and the rounding of the expected value.
    #expect(abs(mean - expected) < 3 * (variance / 2000).squareRoot() + 5e-4)
  }

  @Test func noiseGrowsFromClientToClient() {
    let zeros = Tensor<Float>.zeros([100, 40])
    var generator = Philox(seed: 4)
    for client in [0, 3] {
      let noisy = FeatureSkew(deviation: 2)(zeros, client: client, of: 4, using: &generator)
      let variance = noisy.elements.reduce(0) { $0 + $1 * $1 } / 4000
      // The estimate of a variance from 4000 draws is off by 2.2 %.
      expectClose([variance], [Float(client + 1)], relative: 0.08)
    }
  }
}
