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
      of a batch, three forward passes of work for each example, and the bytes up and down.

      EXAMPLES
        apus-federate plan --hidden 128 64 --examples 600 --deadline 60
        apus-federate plan --channels 16 32 64 --side 28 --deadline 300 --json
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
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...4096).contains(side), classes > 0, examples > 0, epochs > 0, batch > 0, deadline > 0
    else { throw ValidationError("sizes must be above 0, --side at most 4096") }
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
    let lines = DeviceClass.allCases.map { line($0, planner) }
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(lines) : table(lines).text(width: StandardStream.output.columnCount)
    )
  }

  private func line(_ deviceClass: DeviceClass, _ planner: DevicePlanner) -> Line {
    let profile = deviceClass.profile
    switch planner.choice(for: profile, exampleCount: examples) {
    case .notEligible(let reason): return Line(deviceClass: deviceClass.rawValue, reason: reason)
    case .plan(_, let plan, let cost):
      return Line(
        deviceClass: deviceClass.rawValue,
        plan: plan,
        cost: cost,
        memoryBytes: cost.memoryBytes(batchSize: batch),
        seconds: cost.seconds(on: profile, exampleCount: examples, epochs: epochs)
      )
    }
  }

  private func table(_ lines: [Line]) -> Table {
    var table = Table([
      "class", "plan", .number("trained"), .number("memory"), .number("down"), .number("up"),
      .number("time"),
    ])
    for line in lines {
      guard let plan = line.plan, let cost = line.cost else {
        table.add(line.deviceClass, line.reason ?? "")
        continue
      }
      table.add(
        line.deviceClass,
        plan.summary,
        shortCount(cost.trainedCount),
        byteCount(line.memoryBytes ?? 0),
        byteCount(cost.downlinkBytes),
        byteCount(cost.uplinkBytes),
        durationText(line.seconds ?? 0)
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
