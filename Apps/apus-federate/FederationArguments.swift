import ArgumentParser
import Federated
import FederationSupport

/// What devices do with the model.
enum Strategy: String, CaseIterable, ExpressibleByArgument {
  case full
  case slice
  case rolling
  case random
  case ordered
  case mask
  case bits
  case scales
  case rank
  case planned
}

/// The classes of devices.
enum ProfileMix: String, CaseIterable, ExpressibleByArgument {
  case server
  case mixed
  case tiny

  var classes: [SimulationConfiguration.ClassShare] {
    switch self {
    case .server: [.init(.server, share: 1)]
    case .mixed:
      [
        .init(.mcu, share: 0.2), .init(.edge, share: 0.3), .init(.gateway, share: 0.2),
        .init(.phone, share: 0.3),
      ]
    case .tiny: [.init(.mcu, share: 0.6), .init(.edge, share: 0.4)]
    }
  }
}

/// What devices do with the model.
struct PlanArguments: ParsableArguments {
  @Option(
    help: "full, slice, rolling, random, ordered, mask, bits, scales, rank, or planned by profile."
  )
  var strategy = Strategy.full
  @Option(
    parsing: .upToNextOption,
    help: "Widths or densities such as 1 1/2 1/4; device k takes the k-th of n in turn."
  )
  var rates: [Rate] = [.one, Rate(1, of: 2), Rate(1, of: 4)]
  @Option(
    parsing: .upToNextOption,
    help:
      "Bits of weights with --strategy bits (rounded in each pass) or scales (step sizes alone train)."
  )
  var bits: [Int] = [32, 8, 4]
  @Option(parsing: .upToNextOption, help: "Ranks with --strategy rank; 0 is the whole matrix.")
  var ranks: [Int] = [0, 16, 8]
  @Option(help: "The share of each update that is sent, by size.")
  var top: Rate?
  @Option(help: "The bits of a number that is sent: 32, 16, 8, 4 or 2.")
  var updateBits = 32

  private var plans: [DevicePlan] {
    let update = UpdatePlan(topShare: top, bits: updateBits)
    func width(_ pattern: WidthPlan.Pattern) -> [DevicePlan] {
      rates.map { DevicePlan(width: WidthPlan($0, pattern: pattern), update: update) }
    }
    switch strategy {
    case .full, .planned: return [DevicePlan(update: update)]
    case .slice: return width(.prefix)
    case .rolling: return width(.rolling)
    case .random: return width(.random)
    case .ordered: return width(.ordered)
    case .mask:
      return rates.map { rate in
        DevicePlan(mask: rate == .one ? nil : MaskPlan(density: rate), update: update)
      }
    case .bits:
      return bits.map { bits in
        DevicePlan(lowBit: bits == 32 ? nil : LowBitPlan(bits: bits), update: update)
      }
    case .scales:
      return bits.map { bits in
        DevicePlan(
          lowBit: bits == 32 ? nil : LowBitPlan(bits: bits, training: .scales),
          update: update
        )
      }
    case .rank:
      return ranks.map { DevicePlan(rank: $0 == 0 ? nil : .fixed($0), update: update) }
    }
  }

  var planning: SimulationConfiguration.Planning {
    strategy == .planned ? .planned : .fixed(plans)
  }

  func validate() throws {
    for plan in plans {
      do throws(FederatedError) { try plan.check() } catch { throw ValidationError("\(error)") }
    }
  }
}

/// Virtual devices and their data.
struct FederationArguments: ParsableArguments {
  @Option(help: "The devices.")
  var clients = 10
  @Option(
    parsing: .unconditional,
    help: "Label skew by Dirichlet's α; without it data are shared out evenly."
  )
  var alpha: Double?
  @Option(help: "Label skew by so many shards of sorted data for each device.")
  var shards: Int?
  @Option(help: "The fewest examples of a device under --alpha.")
  var leastExamples = 10
  @Option(help: "The classes of devices: server, mixed or tiny.")
  var profiles = ProfileMix.server
  @Option(help: "The probability that a device vanishes during a task.")
  var dropOut = 0.0
  @OptionGroup var plan: PlanArguments

  func apply(to configuration: inout SimulationConfiguration) {
    configuration.deviceCount = clients
    configuration.classes = profiles.classes
    configuration.partition = .even
    if let alpha { configuration.partition = .dirichlet(alpha: alpha) }
    if let shards { configuration.partition = .shards(perClient: shards) }
    configuration.leastExamples = leastExamples
    configuration.planning = plan.planning
    configuration.faults.dropOut = dropOut
  }

  func validate() throws {
    guard alpha == nil || shards == nil else { throw ValidationError("give --alpha or --shards") }
    guard (0...1 << 30).contains(leastExamples) else {
      throw ValidationError("--least-examples must lie between 0 and 2³⁰")
    }
    guard (0..<1).contains(dropOut) else {
      throw ValidationError("--drop-out is a probability below 1")
    }
  }
}

/// Rounds, training and the server's step.
struct RoundArguments: ParsableArguments {
  @Option(help: "The rounds.")
  var rounds = 20
  @Option(help: "The share of the devices that should report.")
  var fraction = 1.0
  @Option(help: "How many more are asked than should report.")
  var overSampling = 1.0
  @Option(help: "How many seconds a round waits.")
  var deadline: Double?
  @Option(help: "Asynchronous training: a step after so many results.")
  var buffer: Int?
  @Option(help: "The passes of a device over its examples.")
  var epochs = 1
  @Option(help: "The examples of a batch.")
  var batch = 32
  @Option(help: "The learning rate of devices.")
  var rate: Float = 0.05
  @Option(help: "The momentum of devices.")
  var momentum: Float = 0
  @Option(help: "The largest norm of the gradients of a device's step; none by default.")
  var clip: Float?
  @Option(help: "The pull towards the received model (FedProx).")
  var proximal: Float = 0
  @Flag(help: "Absent classes take no gradient, and their rows are averaged over their holders.")
  var maskClasses = false
  @Option(
    help: """
      How results are combined: mean over the devices that cover an entry, diluted (over all that \
      report), median, trimmed (without a tenth on each side) or krum (against a fifth).
      """
  )
  var combine = Combination.mean
  @Option(help: "The largest norm of an update, to which longer ones are shortened.")
  var normBound: Double?
  @Option(help: "The server's step: average, momentum, adagrad, adam or yogi.")
  var server = ServerRule.average
  @Option(help: "The server's learning rate.")
  var serverRate: Double?
  @Option(help: "Noise of central differential privacy, in units of the clipping norm 1.")
  var noise: Double?

  enum Combination: String, CaseIterable, ExpressibleByArgument {
    case mean
    case diluted
    case median
    case trimmed
    case krum

    func apply(to settings: inout AggregationSettings, reports: Int) {
      switch self {
      case .mean: break
      case .diluted: settings.mean.normalization = .diluted(total: nil)
      case .median: settings.rule = .median
      case .trimmed: settings.rule = .trimmedMean(share: 0.1)
      case .krum:
        let byzantine = reports / 5
        settings.rule = .krum(byzantine: byzantine, selected: max(reports - byzantine, 1))
      }
    }
  }

  enum ServerRule: String, CaseIterable, ExpressibleByArgument {
    case average
    case momentum
    case adagrad
    case adam
    case yogi

    var rule: ServerOptimizer.Rule {
      switch self {
      case .average: .average
      case .momentum: .momentum(0.9)
      case .adagrad: .adagrad()
      case .adam: .adam()
      case .yogi: .yogi()
      }
    }
  }

  func apply(to configuration: inout SimulationConfiguration) {
    configuration.roundCount = rounds
    configuration.rounds.fraction = fraction
    configuration.rounds.overSampling = overSampling
    configuration.rounds.deadline = deadline
    configuration.rounds.bufferSize = buffer
    if buffer != nil { configuration.rounds.late = .weighted(limit: 100) }
    configuration.training.epochs = epochs
    configuration.training.batchSize = batch
    configuration.training.learningRate = rate
    configuration.training.momentum = momentum
    configuration.training.gradientNorm = clip
    configuration.training.proximal = proximal
    configuration.training.masksAbsentClasses = maskClasses
    configuration.aggregation.masksHead = maskClasses
    configuration.aggregation.optimizer = .init(server.rule, learningRate: serverRate)
    let reports = Int((fraction * Double(configuration.deviceCount)).rounded(.up))
    combine.apply(to: &configuration.aggregation, reports: max(reports, 1))
    configuration.aggregation.normBound = normBound
    if let noise {
      let expected = fraction * overSampling * Double(configuration.deviceCount)
      configuration.aggregation.privacy = CentralPrivacy(
        noiseMultiplier: noise,
        expectedClients: max(expected, 1)
      )
    }
  }

  func validate() throws {
    guard noise ?? 0 >= 0, noise?.isFinite ?? true else {
      throw ValidationError("--noise must be a number that is not negative")
    }
    if let serverRate, !(serverRate > 0 && serverRate.isFinite) {
      throw ValidationError("--server-rate must be above 0")
    }
  }
}
