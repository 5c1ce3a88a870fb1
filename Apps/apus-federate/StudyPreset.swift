import ArgumentParser
import Federated

/// Named configurations that belong together.
enum StudyPreset: String, CaseIterable, ExpressibleByArgument {
  /// Ten devices, twenty rounds: widths, masks, bits, optimizers, faults and compressed updates.
  case reference
  /// The same questions for a small language model.
  case language

  var configurations: [SimulationConfiguration] {
    switch self {
    case .reference: Self.referenceRows
    case .language: Self.languageRows
    }
  }

  private static let quarter = Rate(1, of: 4)
  private static let half = Rate(1, of: 2)
  private static let widths = [Rate.one, half, quarter]

  private static func row(
    _ name: String,
    alpha: Double = 0.5,
    _ plans: [DevicePlan] = [.full],
    _ change: (inout SimulationConfiguration) -> Void = { _ in }
  ) -> SimulationConfiguration {
    var configuration = SimulationConfiguration()
    configuration.name = name
    configuration.partition = .dirichlet(alpha: alpha)
    configuration.planning = .fixed(plans)
    configuration.rounds.overSampling = 1
    configuration.rounds.reassignsLostTasks = false
    configuration.measuring.clientInterval = 20
    configuration.measuring.measuresSlices = true
    change(&configuration)
    return configuration
  }

  private static func slices(_ pattern: WidthPlan.Pattern = .prefix) -> [DevicePlan] {
    widths.map { DevicePlan(width: WidthPlan($0, pattern: pattern)) }
  }

  private static func bits(_ list: [Int]) -> [DevicePlan] {
    list.map { DevicePlan(lowBit: $0 == 32 ? nil : LowBitPlan(bits: $0)) }
  }

  private static func masks(_ change: (inout MaskPlan) -> Void = { _ in }) -> [DevicePlan] {
    widths.map { rate in
      var mask = MaskPlan(density: rate)
      change(&mask)
      return DevicePlan(mask: rate == .one ? nil : mask)
    }
  }

  private static func top(_ share: Rate) -> [DevicePlan] {
    [DevicePlan(update: UpdatePlan(topShare: share))]
  }

  private static func masksClasses(_ configuration: inout SimulationConfiguration) {
    configuration.training.masksAbsentClasses = true
    configuration.aggregation.masksHead = true
  }

  private static var referenceRows: [SimulationConfiguration] { tableRows + furtherRows }

  /// The rows of the reference table.
  private static var tableRows: [SimulationConfiguration] {
    [
      row("full-iid", alpha: 1000),
      row("full"),
      row("full-skewed", alpha: 0.1),
      row("quarter", [.slice(quarter)]),
      row("slices", slices()),
      row("slices-scaled", slices()) { $0.training.scalesActivations = true },
      row("slices-diluted", slices()) {
        $0.aggregation.mean.normalization = .diluted(total: nil)
      },
      row("slices-skewed", alpha: 0.1, slices()),
      row("slices-skewed-masked", alpha: 0.1, slices(), masksClasses),
      row("masks", masks()) { $0.rounds.maskInterval = 1 },
      row("bits-32-8-4-2", bits([32, 8, 4, 2])),
      row("bits-4", bits([4])),
      row("bits-2", bits([2])),
      row("proximal-skewed", alpha: 0.1) { $0.training.proximal = 0.1 },
      row("adam") { $0.aggregation.optimizer = .init(.adam()) },
      row("three-of-ten") { $0.rounds.fraction = 0.3 },
      row("lost-30") { $0.faults.dropOut = 0.3 },
      row("top-10", top(Rate(1, of: 10))),
      row("top-1", top(Rate(1, of: 100))),
    ]
  }

  /// What the table leaves out.
  private static var furtherRows: [SimulationConfiguration] {
    [
      row("rolling", slices(.rolling)),
      row("rolling-skewed", alpha: 0.1, slices(.rolling)),
      row("ordered", slices(.ordered)),
      row("masks-10", masks()),
      row("masks-2-of-4", masks { $0.scope = .neighbours(kept: 2, outOf: 4) }),
      row("rank-16-8", [.full, DevicePlan(rank: .fixed(16)), DevicePlan(rank: .fixed(8))]),
      row("scales-4", bits32And(.scales)),
      row("adapter-4", bits32And(.adapter(rank: 8))),
      row("updates-8-bits", [DevicePlan(update: UpdatePlan(bits: 8))]),
      row("updates-4-bits", [DevicePlan(update: UpdatePlan(bits: 4))]),
      row("buffer-5") {
        // Stale results overshoot with a rate of 1.
        $0.aggregation.optimizer = .init(.average, learningRate: 0.5)
        $0.rounds.bufferSize = 5
        $0.rounds.late = .weighted(limit: 20)
        $0.roundCount = 40
      },
    ]
  }

  private static func bits32And(_ training: LowBitPlan.Training) -> [DevicePlan] {
    [.full, DevicePlan(lowBit: LowBitPlan(bits: 4, training: training))]
  }

  private static var languageRows: [SimulationConfiguration] {
    [
      row("full"), row("full-skewed", alpha: 0.1), row("quarter", [.slice(quarter)]),
      row("slices", slices()), row("rolling", slices(.rolling)), row("bits-4", bits([4])),
      row("top-10", top(Rate(1, of: 10))),
    ].map { configuration in
      var configuration = configuration
      configuration.training.learningRate = 0.3
      configuration.training.gradientNorm = 1
      configuration.training.batchSize = 8
      configuration.measuring.testInterval = 5
      return configuration
    }
  }
}
