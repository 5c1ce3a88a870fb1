import ArgumentParser
import Federated
import FederationSupport
import Support

/// `plan`: what the planner would give to each class of devices.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show which part of a model fits which devices.",
    discussion: """
      Memory and time come from the model's layers: two floats for each trained number, the activations \
      of a batch, three forward passes of work for each example, and the bytes up and down. The last \
      column says what keeps the whole model from a device.

      EXAMPLES
        apus-federate plan --hidden 128 64 --examples 600 --deadline 60
        apus-federate plan --channels 16 32 64 --side 28 --deadline 300 --json
        apus-federate plan --hidden 128 64 --memory 400000 --flops 2e7 --uplink 3000
      """
  )

  @OptionGroup(title: "Network") var network: NetworkArguments
  @Option(help: "The rows and columns of the images.")
  var side = 28
  @Option(help: "The classes that are told apart.")
  var classes = 10
  @Option(help: "The examples of a device.")
  var examples = 600
  @Option(help: "The passes over them in a round.")
  var epochs = 1
  @Option(help: "The examples of a batch.")
  var batch = 32
  @Option(help: "The seconds of a round.")
  var deadline = 60.0
  @Option(
    help: "A device of your own, alike a gateway but for: the bytes of its memory for training."
  )
  var memory: Int?
  @Option(help: "Its floating-point operations in a second.")
  var flops: Double?
  @Option(help: "The bytes that it sends in a second.")
  var uplink: Double?
  @Option(help: "The bytes that it receives in a second.")
  var downlink: Double?
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    let sizes = [classes, examples, epochs, batch]
    guard (1...4096).contains(side), sizes.allSatisfy({ (1...1 << 24).contains($0) }), deadline > 0
    else { throw ValidationError("sizes must lie between 1 and 2²⁴, --side at most 4096") }
    guard memory ?? 1 > 0, memory ?? 1 <= 1 << 50 else {
      throw ValidationError("--memory must lie between 1 byte and 2⁵⁰")
    }
    for (name, rate) in [("--flops", flops), ("--uplink", uplink), ("--downlink", downlink)]
    where !(rate ?? 1 > 0 && rate?.isFinite ?? true) {
      throw ValidationError("\(name) must be above 0")
    }
  }

  /// A class of devices and its plan.
  struct Line: Encodable {
    var deviceClass: String
    var plan: DevicePlan?
    var cost: DeviceCost?
    var memoryBytes: Int?
    var seconds: Double?
    var reason: String?
  }

  func run() throws {
    let model: ModelDescription
    do throws(FederatedTaskError) {
      model = try network.network.description(height: side, width: side, classCount: classes)
    } catch {
      throw CommandFailure("\(error)")
    }
    let planner = DevicePlanner(model, batchSize: batch, epochs: epochs, deadline: deadline)
    let own = profile.map { [line("this device", $0, planner)] } ?? []
    let lines =
      own.isEmpty ? DeviceClass.allCases.map { line($0.rawValue, $0.profile, planner) } : own
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(lines) : table(lines).text(width: StandardStream.output.columnCount)
    )
  }

  /// The device that the options describe; nil without any.
  private var profile: DeviceProfile? {
    guard memory != nil || flops != nil || uplink != nil || downlink != nil else { return nil }
    var profile = DeviceClass.gateway.profile
    if let memory { profile.memoryBytes = memory }
    if let flops { profile.flopsPerSecond = flops }
    if let uplink { profile.uplinkBytesPerSecond = uplink }
    if let downlink { profile.downlinkBytesPerSecond = downlink }
    return profile
  }

  private func line(_ name: String, _ profile: DeviceProfile, _ planner: DevicePlanner) -> Line {
    let cost = DeviceCost(planner.model, plan: .full)
    let needed = obstacles(of: cost, on: profile, planner)
    switch planner.choice(for: profile, exampleCount: examples) {
    case .notEligible:
      let smallest = planner.strategies.map { DeviceCost(planner.model, plan: $0) }
        .min { $0.memoryBytes(batchSize: batch) < $1.memoryBytes(batchSize: batch) }
      let rest = smallest.map { obstacles(of: $0, on: profile, planner) } ?? needed
      return Line(deviceClass: name, reason: "not even the smallest plan: \(rest ?? "too slow")")
    case .plan(_, let plan, let cost):
      return Line(
        deviceClass: name,
        plan: plan,
        cost: cost,
        memoryBytes: cost.memoryBytes(batchSize: batch),
        seconds: cost.seconds(on: profile, exampleCount: examples, epochs: epochs),
        reason: needed
      )
    }
  }

  /// What a plan needs and a device has not; nil if it fits.
  private func obstacles(
    of cost: DeviceCost,
    on profile: DeviceProfile,
    _ planner: DevicePlanner
  ) -> String? {
    let memory = cost.memoryBytes(batchSize: batch)
    let share = planner.memoryShare * Double(profile.memoryBytes)
    let time = cost.seconds(on: profile, exampleCount: examples, epochs: epochs)
    var parts: [String] = []
    if Double(memory) > share { parts.append("\(byteCount(memory)) of \(byteCount(Int(share)))") }
    if time > deadline { parts.append("\(durationText(time)) of \(durationText(deadline))") }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  private func table(_ lines: [Line]) -> Table {
    var table = Table([
      "class", "plan", .number("trained"), .number("memory"), .number("down"), .number("up"),
      .number("time"), "whole model needs",
    ])
    for line in lines {
      guard let plan = line.plan, let cost = line.cost else {
        table.add(line.deviceClass, "none", "", "", "", "", "", line.reason ?? "")
        continue
      }
      table.add(
        line.deviceClass,
        plan.summary,
        shortCount(cost.trainedCount),
        byteCount(line.memoryBytes ?? 0),
        byteCount(cost.downlinkBytes),
        byteCount(cost.uplinkBytes),
        durationText(line.seconds ?? 0),
        line.reason ?? ""
      )
    }
    return table
  }
}

extension DevicePlan {
  /// The cuts in a few words.
  var summary: String {
    var parts: [String] = []
    if let depth { parts.append("\(depth) blocks") }
    if let width { parts.append("width \(width.rate) (\(width.pattern.rawValue))") }
    if let mask { parts.append("mask \(mask.density)") }
    if let lowBit { parts.append("\(lowBit.bits)-bit weights") }
    switch rank {
    case .fixed(let rank)?: parts.append("rank \(rank)")
    case .energy(let share)?: parts.append("rank of \(share) energy")
    case nil: break
    }
    if let top = update.topShare { parts.append("top \(top)") }
    if update.bits < 32 { parts.append("\(update.bits)-bit updates") }
    return parts.isEmpty ? "whole model" : parts.joined(separator: ", ")
  }
}
