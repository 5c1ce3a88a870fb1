import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Federated

extension FederatedConformance {
  /// Means of masked updates, optimizers, rounds, robust rules.
  @Suite struct Aggregation {
    static let maskCases = FederatedFixture.cases("mask_aggregation", suffix: ".old")

    @Test func filesHoldCases() { #expect(Self.maskCases.count > 2 && Self.rules.count > 5) }

    @Test(arguments: maskCases) func maskedMean(name: String) throws {
      let fixture = try FederatedFixture("mask_aggregation")
      let old = vector(try fixture.numbers(name + ".old"))
      let (deltas, masks) = (try fixture.rows(name + ".delta"), try fixture.rows(name + ".mask"))
      let weights = try fixture.numbers(name + ".weight")
      let contributions = deltas.indices.map { index in
        let coverage = CoverageSet(["w": .bits(BitSet(masks[index].map { $0 != 0 }))])
        return Contribution(
          client: index,
          update: LiftedUpdate(delta: vector(deltas[index]), coverage: coverage),
          exampleCount: 1,
          weightFactor: Double(weights[index])
        )
      }
      let rate = try fixture.number("cases", name, "server_lr")
      for (key, normalization) in [
        ("new", CoverageMean.Normalization.covered), ("scaled", .diluted(total: nil)),
      ] {
        let mean = CoverageMean(normalization: normalization)(contributions, like: old)
        var (updated, optimizer) = (old, ServerOptimizer(.average, learningRate: rate))
        optimizer.step(&updated, by: mean)
        let expected = try fixture.numbers("\(name).\(key)")
        expectClose(updated.tensors[0].elements, expected, absolute: 1e-6, "\(name) \(key)")
        expectClose(
          mean.counts[0].elements.map(Float.init),
          try fixture.numbers(name + ".coverage"),
          "\(name) coverage"
        )
      }
    }

    private func optimizer(
      _ name: String,
      _ fixture: FederatedFixture
    ) throws -> ServerOptimizer {
      func hyper(_ key: String) throws -> Double { try fixture.number("hyper", key) }
      let (eta, tau) = (try hyper("eta"), try hyper("tau"))
      let (beta1, beta2) = (try hyper("b1"), try hyper("b2"))
      let kind = String(name.prefix { $0 != "_" })
      let rule: ServerOptimizer.Rule =
        switch kind {
        case "fedavg": .average
        case "avgm": .momentum(try hyper("momentum"))
        case "adam": .adam(beta1: beta1, beta2: beta2, tau: tau)
        case "yogi": .yogi(beta1: beta1, beta2: beta2, tau: tau)
        default: .adagrad(beta1: beta1, tau: tau)
        }
      return ServerOptimizer(
        rule,
        learningRate: ["fedavg", "avgm"].contains(name) ? 1 : eta,
        correction: name.hasSuffix("_flower") ? .flower : .none
      )
    }

    static let rules =
      (try? FederatedFixture("server_optimisers"))?.names(after: "x.").sorted() ?? []

    @Test(arguments: rules)
    func serverOptimizers(name: String) throws {
      let fixture = try FederatedFixture("server_optimisers")
      var optimizer = try optimizer(name, fixture)
      let start = try fixture.numbers("x0")
      let deltas = try fixture.tensor("client_delta")
      let weights = try fixture.numbers("weight")
      let expected = try fixture.rows("x." + name)
      var x = vector(start)
      for round in 0..<deltas.shape[0] {
        let contributions = weights.indices.map { index in
          let delta = deltas[round][index] * 0.5
          var result = contribution(ParameterSet([("w", delta)]), client: index)
          result.weightFactor = Double(weights[index])
          return result
        }
        // A saved state continues exactly.
        var restored = ServerOptimizer(
          optimizer.rule,
          learningRate: optimizer.learningRate,
          correction: optimizer.correction
        )
        try restored.load(optimizer.state(), like: x)
        optimizer = restored
        optimizer.step(&x, by: CoverageMean()(contributions, like: x))
        expectClose(x.tensors[0].elements, expected[round], absolute: 1e-5, "\(name) \(round)")
      }
    }

    @Test func robustRules() throws {
      let fixture = try FederatedFixture("robust_aggregation")
      let rows = try fixture.rows("X")
      let zero = vector([Float](repeating: 0, count: rows[0].count))
      let contributions = rows.enumerated().map { contribution(vector($1), client: $0) }
      let median = RobustAggregation(.median)(contributions, like: zero)
      expectClose(median.average.tensors[0].elements, try fixture.numbers("median"), absolute: 1e-5)
      let share = try fixture.number("beta")
      let trimmed = RobustAggregation(.trimmedMean(share: share))(contributions, like: zero)
      expectClose(
        trimmed.average.tensors[0].elements,
        try fixture.numbers("trimmed"),
        absolute: 1e-5
      )
      let krum = Krum(
        byzantineCount: Int(try fixture.number("f")),
        selectedCount: Int(try fixture.number("m"))
      )
      expectClose(
        krum.scores(contributions, like: zero).map(Float.init),
        try fixture.numbers("krum_scores"),
        relative: 1e-5,
        absolute: 1e-5
      )
      let selected = krum(contributions, like: zero)
      #expect(selected[0].client == Int(try fixture.number("krum_index")))
      let mean = CoverageMean(weighting: .uniform)(selected, like: zero)
      expectClose(
        mean.average.tensors[0].elements,
        try fixture.numbers("multi_krum"),
        absolute: 1e-5
      )
    }

    /// A round of softmax regression on three clients.
    @Test(arguments: ["avg", "prox", "nova"]) func round(rule: String) throws {
      let fixture = try FederatedFixture("fed_round")
      let start = ParameterSet([
        ("W", try fixture.tensor("W0")), ("b", try fixture.tensor("b0")),
      ])
      let clients = Int(try fixture.number("clients"))
      let local = rule == "prox" ? "prox" : "avg"
      var contributions: [Contribution] = []
      for client in 0..<clients {
        let trained = try train(start, fixture, client, mu: rule == "prox" ? "mu" : nil)
        for (name, tensor) in trained.parameters.entries {
          let expected = try fixture.tensor("c\(client).\(local).\(name)")
          expectClose(tensor, expected, absolute: 1e-5, "client \(client) \(name)")
        }
        contributions.append(
          contribution(
            trained.parameters.subtracting(start),
            count: trained.count,
            steps: trained.steps,
            client: client
          )
        )
      }
      #expect(
        contributions.map(\.stepCount) == (try fixture.list("tau")).compactMap(\.intValue)
      )
      if rule == "nova" { contributions = FedNova()(contributions) }
      var (updated, optimizer) = (start, ServerOptimizer())
      optimizer.step(&updated, by: CoverageMean()(contributions, like: start))
      for (name, tensor) in updated.entries {
        expectClose(
          tensor,
          try fixture.tensor("\(rule).\(name)"),
          absolute: 1e-5,
          "\(rule) \(name)"
        )
      }
    }

    private func train(
      _ start: ParameterSet,
      _ fixture: FederatedFixture,
      _ client: Int,
      mu key: String?
    ) throws -> (parameters: ParameterSet, count: Int, steps: Int) {
      let x = try fixture.tensor("c\(client).X")
      let labels = Tensor(try fixture.integers("c\(client).y"))
      let (rate, mu) = (
        Float(try fixture.number("lr")), try key.map { try fixture.number($0) } ?? 0
      )
      let (batch, epochs) = (Int(try fixture.number("batch")), Int(try fixture.number("epochs")))
      var (parameters, steps) = (start, 0)
      for _ in 0..<epochs {
        for first in stride(from: 0, to: labels.count, by: batch) {
          let range = first..<min(first + batch, labels.count)
          let variables = parameters.tensors.map { Variable(following: $0) }
          let logits = linear(Variable(x[range]), weight: variables[0], bias: variables[1])
          crossEntropy(logits: logits, targets: labels[range]).backward()
          for (index, name) in parameters.names.enumerated() {
            let value = parameters.tensors[index]
            var gradient = try #require(variables[index].gradient)
            gradient += (value - start.tensors[index]) * Float(mu)
            parameters[name] = value - gradient * rate
          }
          steps += 1
        }
      }
      return (parameters, labels.count, steps)
    }
  }
}
