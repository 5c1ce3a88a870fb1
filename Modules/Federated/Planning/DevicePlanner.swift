/// Chooses the largest plan that a device can carry out in time.
///
///     let planner = DevicePlanner(model, deadline: 60)
///     planner.choice(for: profile, exampleCount: 600)
///
/// Plans are tried in the order of preference: the first that needs at most `memoryShare` of the
/// device's memory and ends before the deadline is taken.
public struct DevicePlanner: Codable, Hashable, Sendable {
  /// The wiring of the network.
  public let model: ModelDescription
  /// The plans in the order of preference.
  public var strategies: [DevicePlan]
  /// The examples of a mini-batch.
  public var batchSize: Int
  /// The passes over the device's examples in a round.
  public var epochs: Int
  /// Whether the device keeps a momentum.
  public var hasMomentum: Bool
  /// The share of the memory that training may take.
  public var memoryShare: Double
  /// The seconds of a round.
  public var deadline: Double

  /// A planner; without strategies those of `defaultStrategies`.
  public init(
    _ model: ModelDescription,
    strategies: [DevicePlan]? = nil,
    batchSize: Int = 32,
    epochs: Int = 1,
    hasMomentum: Bool = false,
    memoryShare: Double = 0.8,
    deadline: Double
  ) {
    self.model = model
    self.strategies = strategies ?? Self.defaultStrategies
    self.batchSize = batchSize
    self.epochs = epochs
    self.hasMomentum = hasMomentum
    self.memoryShare = memoryShare
    self.deadline = deadline
  }

  /// Slices of 1, 1/2, 1/4, 1/8 and 1/16, each with updates of 32, 8 and 4 bits, each as it is, with a
  /// mask of half the weights, and with factors that hold nine tenths of the energy.
  public static var defaultStrategies: [DevicePlan] {
    var plans: [DevicePlan] = []
    for rate in Rate.levels {
      for bits in [32, 8, 4] {
        let width: WidthPlan? = rate == .one ? nil : WidthPlan(rate)
        let plan = DevicePlan(width: width, update: UpdatePlan(bits: bits))
        var (masked, factored) = (plan, plan)
        masked.mask = MaskPlan(density: Rate(1, of: 2))
        factored.rank = .energy(0.9)
        plans += [plan, masked, factored]
      }
    }
    return plans
  }

  /// What a device is told to do.
  public enum Choice: Codable, Hashable, Sendable {
    /// To carry out the plan at this place of the strategies.
    case plan(level: Int, DevicePlan, DeviceCost)
    /// To do nothing, and why.
    case notEligible(String)
  }

  /// The first plan from a level on that a device can carry out.
  public func choice(
    for profile: DeviceProfile,
    exampleCount: Int,
    fromLevel first: Int = 0
  ) -> Choice {
    guard profile.hasFloat else { return .notEligible("it has no floating-point arithmetic") }
    guard exampleCount > 0 else { return .notEligible("it has no examples") }
    var (leastMemory, leastTime) = (Int.max, Double.infinity)
    for level in strategies.indices where level >= first {
      let cost = DeviceCost(model, plan: strategies[level])
      let memory = cost.memoryBytes(batchSize: batchSize, hasMomentum: hasMomentum)
      let time = cost.seconds(on: profile, exampleCount: exampleCount, epochs: epochs)
      if Double(memory) <= memoryShare * Double(profile.memoryBytes), time <= deadline {
        return .plan(level: level, strategies[level], cost)
      }
      (leastMemory, leastTime) = (min(leastMemory, memory), min(leastTime, time))
    }
    return .notEligible(
      "no plan fits: at least \(leastMemory) bytes of \(profile.memoryBytes) · \(memoryShare) and "
        + "\(leastTime) of \(deadline) seconds are needed"
    )
  }

  /// The seconds that the plan at a level takes on a device, by the cost model.
  func seconds(level: Int, on profile: DeviceProfile, exampleCount: Int) -> Double {
    DeviceCost(model, plan: strategies[level])
      .seconds(on: profile, exampleCount: exampleCount, epochs: epochs)
  }
}

/// The plan of one device over many rounds.
///
/// A plan stays for `holdRounds` rounds. After a failure or a time-out the next cheaper plan is taken
/// at once; after two quick rounds in a row, the next larger one that fits: as in congestion control,
/// down fast and up slowly.
public struct PlanSchedule: Codable, Hashable, Sendable {
  /// How a round went.
  public enum Outcome: Codable, Hashable, Sendable {
    /// It ended after these seconds.
    case finished(seconds: Double)
    /// It did not end in time, or not at all.
    case failed
  }

  /// How long a plan stays without an event.
  public let holdRounds: Int
  /// The share of the deadline that a quick round takes at most.
  public let quickShare: Double
  /// The place of the plan in the planner's strategies; nil while the device is not eligible.
  public private(set) var level: Int?
  /// Why the device is not eligible; nil while it is.
  public private(set) var reason: String?
  private var roundsLeft = 0
  private var quickRounds = 0
  private var hasFailed = false
  /// The smallest plan, under which the device failed: it is tried again after `holdRounds`.
  private var restingLevel: Int?

  /// A schedule without a plan; Choice: a quick round takes half the deadline.
  public init(holdRounds: Int = 10, quickShare: Double = 0.5) {
    self.holdRounds = holdRounds
    self.quickShare = quickShare
  }

  /// The plan of the next round; nil if the device is not eligible.
  public mutating func next(
    _ planner: DevicePlanner,
    profile: DeviceProfile,
    exampleCount: Int
  ) -> DevicePlan? {
    if let restingLevel {
      roundsLeft -= 1
      guard roundsLeft < 0 else { return nil }
      self.restingLevel = nil
      choose(planner, profile, exampleCount, from: restingLevel)
      return self.level.map { planner.strategies[$0] }
    }
    if roundsLeft == 0 || level == nil {
      // A device that failed has shown that the model of costs is too kind to it.
      let first = hasFailed ? level ?? 0 : 0
      choose(planner, profile, exampleCount, from: first)
      hasFailed = false
    }
    return level.map { planner.strategies[$0] }
  }

  /// Takes over how the round went.
  public mutating func record(
    _ outcome: Outcome,
    _ planner: DevicePlanner,
    profile: DeviceProfile,
    exampleCount: Int
  ) {
    guard let level else { return }
    roundsLeft = max(0, roundsLeft - 1)
    func seconds(_ level: Int) -> Double {
      planner.seconds(level: level, on: profile, exampleCount: exampleCount)
    }
    let current = seconds(level)
    switch outcome {
    case .finished(let duration):
      quickRounds = duration <= quickShare * planner.deadline ? quickRounds + 1 : 0
      guard quickRounds >= 2 else { return }
      quickRounds = 0
      // The nearest plan that does more; it must fit like any other.
      for larger in (0..<level).reversed() where seconds(larger) > current {
        let choice = planner.choice(for: profile, exampleCount: exampleCount, fromLevel: larger)
        if case .plan(larger, _, _) = choice {
          (self.level, roundsLeft) = (larger, holdRounds)
          return
        }
      }
    case .failed:
      quickRounds = 0
      hasFailed = true
      let cheaper = (level..<planner.strategies.count).dropFirst().first { seconds($0) < current }
      guard let cheaper else {
        (self.level, reason) = (nil, "it failed under the smallest plan")
        (restingLevel, roundsLeft) = (level, holdRounds)
        return
      }
      choose(planner, profile, exampleCount, from: cheaper)
    }
  }

  private mutating func choose(
    _ planner: DevicePlanner,
    _ profile: DeviceProfile,
    _ exampleCount: Int,
    from first: Int
  ) {
    roundsLeft = holdRounds
    switch planner.choice(for: profile, exampleCount: exampleCount, fromLevel: first) {
    case .plan(let level, _, _): (self.level, reason) = (level, nil)
    case .notEligible(let text): (level, reason) = (nil, text)
    }
  }
}
