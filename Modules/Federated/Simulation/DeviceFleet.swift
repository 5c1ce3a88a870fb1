import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The devices of a simulation: their data, classes and plans.
struct DeviceFleet: Sendable {
  /// The examples of each device.
  let examples: [[Int32]]
  /// The classes of the head that each device holds.
  let heldClasses: [Set<Int>]
  /// The class of each device.
  let classes: [DeviceClass]
  /// How labels lie among the devices.
  let labels: DataPartition.Statistics

  var count: Int { examples.count }

  init(
    _ task: any FederatedTask,
    _ configuration: SimulationConfiguration,
    _ partition: DataPartition
  ) {
    let examples = partition.clients.map { $0.map { Int32($0) } }
    self.examples = examples
    let labelCount = Int(task.labels.max() ?? 0) + 1
    labels = partition.statistics(labels: task.labels, classCount: labelCount)
    let needsClasses = configuration.aggregation.masksHead
    heldClasses = examples.map { examples in
      guard needsClasses else { return [] }
      return Set(task.presentClasses(examples).enumerated().filter(\.element).map(\.offset))
    }
    classes = Self.classes(configuration)
  }

  /// Device k of K stands at (k · 0.618… mod 1) of the shares, so that every stretch of devices has all
  /// classes in about their shares.
  private static func classes(_ configuration: SimulationConfiguration) -> [DeviceClass] {
    let total = configuration.classes.reduce(0) { $0 + $1.share }
    let ratio = (5.0.squareRoot() - 1) / 2
    return (0..<configuration.deviceCount).map { client in
      var place = (Double(client) + 0.5) * ratio
      place = (place - place.rounded(.down)) * total
      for share in configuration.classes {
        if place < share.share { return share.deviceClass }
        place -= share.share
      }
      return configuration.classes[configuration.classes.count - 1].deviceClass
    }
  }

  /// Whether a device may be used at a time, by the hours of its profile.
  func isAvailable(_ client: Int, at seconds: Double) -> Bool {
    guard let hours = classes[client].profile.availability else { return true }
    let hour = (seconds / 3600).truncatingRemainder(dividingBy: 24)
    return hours.contains(hour)
  }
}

/// How long a device needs for a task, and whether it comes to an end.
struct DeviceFate: Sendable {
  /// The steps that it makes; nil for all.
  var stepLimit: Int?
  /// When its result is there; nil if it vanishes.
  var finish: Double?

  /// - Parameters:
  ///   - task: what the device was asked.
  ///   - profile: the device.
  ///   - cost: of the task's plan.
  ///   - configuration: faults and training.
  ///   - draws: the stream of this task.
  init(
    _ task: RoundTask,
    on profile: DeviceProfile,
    cost: DeviceCost,
    _ configuration: SimulationConfiguration,
    using draws: inout Philox
  ) {
    let faults = configuration.faults
    let vanishes = draws.uniform() < Float(faults.dropOut)
    let factor = exp(faults.timeSpread * draws.standardNormal())
    let epochs = configuration.training.epochs
    let count = task.exampleCount
    let seconds = cost.seconds(on: profile, exampleCount: count, epochs: epochs) * factor
    var finish = task.issued + seconds
    if faults.boxesTime, let deadline = task.deadline, finish > deadline {
      let work = cost.operations(exampleCount: count, epochs: epochs) / profile.flopsPerSecond
      let transfer = seconds / factor - work
      let room = (deadline - task.issued) / factor - transfer
      let steps = configuration.training.stepCount(examples: count)
      let possible = work > 0 ? Int(Double(steps) * room / work) : steps
      if possible > 0 {
        stepLimit = min(possible, steps)
        finish = task.issued + (transfer + work * Double(possible) / Double(steps)) * factor
      }
    }
    self.finish = vanishes ? nil : finish
  }
}

extension Philox {
  /// A number of N(0, 1), by Box and Muller's transform, in Double.
  mutating func standardNormal() -> Double {
    let u = (Double(next() >> 11) + 0.5) * 0x1p-53
    let v = (Double(next() >> 11) + 0.5) * 0x1p-53
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }
}
