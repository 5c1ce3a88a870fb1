public import Federated

/// What a coordinator tells its log, a line each.
public enum CoordinatorEvent: Sendable, CustomStringConvertible {
  /// The state of an earlier run was taken over.
  case resumed(round: Int)
  /// A device has registered.
  case registered(device: String, deviceClass: String, count: Int)
  /// No plan fits a device, and why; said once for each reason.
  case unplanned(device: String, reason: String)
  /// A device has more examples than count of it.
  case clipped(device: String, exampleCount: Int, limit: Int)
  /// A round has waited so long for devices: `available` are there; of these `eligible` can take part,
  /// nil where that was not looked at.
  case waiting(seconds: Double, available: Int, eligible: Int?, needed: Int)
  /// A round has begun.
  case began(round: Int, attempt: Int, tasks: Int, available: Int)
  /// Tasks are lost: their devices show no sign of life.
  case lost(devices: [String], reassigned: Int)
  /// A round is over.
  case finished(RoundReport)
  /// Too few results came; the round is begun again.
  case repeated(round: Int, attempt: Int)
  /// A request was refused.
  case refused(path: String, ServiceRefusal)
  /// A device gave a task back.
  case failed(device: String, reason: String)

  /// The event in words, on one line whatever devices wrote.
  public var description: String { text.onOneLine }

  private var text: String {
    switch self {
    case .resumed(let round): "goes on at round \(round)"
    case .registered(let device, let deviceClass, let count):
      "registered \(device) (\(deviceClass)), \(count) devices"
    case .unplanned(let device, let reason): "device \(device) takes no part: \(reason)"
    case .clipped(let device, let count, let limit):
      "device \(device) has \(count) examples, of which \(limit) count"
    case .waiting(let seconds, let available, let eligible, let needed):
      "waiting for \(Int(seconds)) s: \(available) devices are there, "
        + (eligible.map { "\($0) of them can take part, " } ?? "") + "\(needed) are needed"
    case .began(let round, let attempt, let tasks, let available):
      "round \(round)\(attempt > 0 ? ", attempt \(attempt + 1)" : ""): \(tasks) tasks, "
        + "\(available) devices available"
    case .lost(let devices, let reassigned):
      "lost \(devices.joined(separator: ", ")); \(reassigned) tasks given to others"
    case .finished(let report): Self.text(report)
    case .repeated(let round, let attempt):
      "round \(round): too few results, attempt \(attempt + 1)"
    case .refused(let path, let refusal): "refused \(path): \(refusal)"
    case .failed(let device, let reason): "device \(device) gave its task back: \(reason)"
    }
  }

  private static func text(_ report: RoundReport) -> String {
    var parts = ["\(report.reported) of \(report.selected) results"]
    if let loss = report.trainingLoss { parts.append("training loss \(Float(loss))") }
    if let accuracy = report.evaluation?.accuracy { parts.append("accuracy \(Float(accuracy))") }
    parts += report.warnings
    return "round \(report.round) is over: " + parts.joined(separator: ", ")
  }
}
