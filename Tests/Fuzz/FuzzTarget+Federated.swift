import Foundation
import Tensor

@testable import Federated

extension FuzzTarget {
  static let federated = [update, devicePlan, simulation]

  /// An update as it travels, without the sum at its end; the first byte chooses the model.
  private static let update = FuzzTarget(
    name: "update",
    words: ["AFU1"],
    seeds: {
      var seeds: [[UInt8]] = []
      for (number, round) in UpdateRounds.all.enumerated() {
        let layout = UpdateLayout(round.local)
        for (bits, share) in [(32, nil), (16, nil), (8, Rate(1, of: 2)), (4, nil), (2, nil)] {
          var plan = UpdatePlan()
          (plan.bits, plan.topShare) = (bits, share)
          let numbers = (0..<layout.count).map { Float($0) / 8 }
          let packed = PackedUpdate(numbers, layout: layout, plan: plan)
          seeds.append([UInt8(number)] + packed.encoded(layout).dropLast(8))
        }
      }
      return seeds
    }
  ) { bytes in
    let (round, local) = UpdateRounds.all[Int(bytes.first ?? 0) % UpdateRounds.all.count]
    var body = Array(bytes.dropFirst())
    var sum = WireHash()
    sum.add(body)
    body += (0..<8).map { UInt8(truncatingIfNeeded: sum.value >> UInt64(8 * $0)) }
    let layout = UpdateLayout(local)
    let packed = try PackedUpdate(decoding: body, layout: layout)
    demand(packed.encoded(layout).count <= 2 * body.count + 64, "its copy is longer")
    let update = ParameterUpdate(delta: packed.unpacked(layout), exampleCount: 5)
    var (engine, task) = round
    let result = RoundResult(of: task, update: update, checksum: update.checksum, byteCount: 9)
    let reception = engine.submit([engine.prepare(result, for: task, local: local)], now: 1)
    guard reception == [.accepted], engine.isReady, try engine.aggregate() else { return }
    _ = try engine.finish(RoundMeasures())
  }

  /// A plan for a device, which is carried out where it passes the checks.
  private static let devicePlan = FuzzTarget(
    name: "device-plan",
    words: [
      "\"width\":", "\"rate\":", "\"pattern\":", "\"mask\":", "\"density\":", "\"scope\":",
      "\"lowBit\":",
      "\"bits\":", "\"rank\":", "\"depth\":", "\"round\":", "\"update\":", "\"topShare\":",
      "\"neighbours\":", "\"kept\":", "\"outOf\":", "9223372036854775807",
    ],
    seeds: { try UpdateRounds.plans.map { [UInt8](try JSONEncoder().encode($0)) } }
  ) { bytes in
    let plan = try JSONDecoder().decode(DevicePlan.self, from: Data(bytes))
    try plan.check()
    let local = try ComposedCompression(UpdateRounds.description)
      .compress(UpdateRounds.model, plan: plan, seed: 1)
    demand(local.parameters.scalarCount > 0, "a model without numbers")
    _ = DeviceCost(UpdateRounds.description, plan: plan)
  }

  /// The configuration of a simulation.
  private static let simulation = FuzzTarget(
    name: "simulation-config",
    seeds: { [[UInt8](try JSONEncoder().encode(SimulationConfiguration()))] }
  ) { bytes in
    let configuration = try JSONDecoder().decode(SimulationConfiguration.self, from: Data(bytes))
    _ = configuration.fault
  }
}

/// Rounds that wait for the update of one device, each by another plan.
private enum UpdateRounds {
  static let description = ModelDescription.mlp(widths: [4, 6, 3])

  static let model: ParameterSet = {
    var generator = Philox(seed: 1)
    return ParameterSet(
      description.parameters.map { parameter in
        (parameter.name, Tensor.normal(description.shape(of: parameter), using: &generator))
      }
    )
  }()

  static let plans: [DevicePlan] = [
    .full, .slice(Rate(1, of: 2)), DevicePlan(mask: MaskPlan(density: Rate(1, of: 2))),
    DevicePlan(lowBit: LowBitPlan(bits: 4)), DevicePlan(rank: .fixed(2)),
  ]

  static let all: [(round: (RoundEngine, RoundTask), local: LocalModel)] = {
    do {
      return try plans.map { plan in
        var settings = RoundSettings()
        settings.minimumReports = 1
        var engine = try RoundEngine(
          model: model,
          description: description,
          settings: settings,
          aggregation: AggregationSettings(),
          seed: 1
        )
        let candidate = RoundCandidate(client: 0, exampleCount: 10, plan: plan)
        guard let task = try engine.begin([candidate], now: 0).first else { stop("no task") }
        return ((engine, task), try engine.localModel(for: task))
      }
    } catch {
      stop("update: \(error)")
    }
  }()
}
