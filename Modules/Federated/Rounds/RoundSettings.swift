/// Who takes part in a round, how long it waits, and what happens to late results.
public struct RoundSettings: Codable, Hashable, Sendable {
  /// How devices are chosen.
  public enum Sampling: Codable, Hashable, Sendable {
    /// Each with the same probability.
    case uniform
    /// With a probability in proportion to n_k.
    case byExampleCount
    /// Those first that are expected to be done before the deadline, each with the same probability.
    case byDeadline
    /// Those with the largest last loss among `candidates` times as many, drawn by n_k.
    ///
    /// Source: Cho, Wang and Joshi 2020, "Client Selection in Federated Learning".
    case byLoss(candidates: Double)
  }

  /// What happens to results of rounds that are over.
  public enum LateResults: Codable, Hashable, Sendable {
    /// They are dropped.
    case dropped
    /// They count in the round in which they come, with the weight ω (1 + s)^−1/2, where s is how many
    /// models ago the device began; later ones than `limit` models are dropped.
    ///
    /// Source: Nguyen et al. 2022, "Federated Learning with Buffered Asynchronous Aggregation".
    case weighted(limit: Int)
  }

  /// The share of the available devices that should report, C.
  public var fraction = 1.0
  /// How devices are chosen.
  public var sampling = Sampling.uniform
  /// How many more devices are asked than should report.
  public var overSampling = 1.3
  /// With fewer results a round is repeated, and nothing is applied.
  public var minimumReports = 2
  /// How many seconds a round waits; nil for as long as it takes.
  public var deadline: Double?
  /// What happens to late results.
  public var late = LateResults.dropped
  /// The results of one step in asynchronous training, B: devices work all the time, and the model
  /// changes after B results of whatever round; nil for rounds.
  public var bufferSize: Int?
  /// A device shows itself every so many seconds.
  public var heartbeatSeconds = 30.0
  /// After so many missed heartbeats its task is lost.
  public var missedHeartbeats = 2
  /// Whether another device takes a lost task's place.
  public var reassignsLostTasks = true
  /// So often a round is repeated before it is given up.
  public var mostAttempts = 10
  /// Masks of magnitudes are made anew every so many rounds.
  public var maskInterval = 10
  /// A warning is given when an entry was covered by no device for more than so many rounds.
  public var coveragePatience = 10

  /// The defaults: everybody, with 1.3 times as many asked as needed.
  public init() {}

  /// What is out of range, in words; nil when the settings can be used.
  public var fault: String? {
    if !(fraction > 0 && fraction <= 1) { return "a fraction of \(fraction)" }
    if !(overSampling >= 1 && overSampling <= 100) { return "over-sampling by \(overSampling)" }
    if minimumReports < 1 { return "\(minimumReports) reports at least" }
    if let deadline, !(deadline > 0) { return "a deadline of \(deadline) s" }
    if case .byLoss(let factor) = sampling, !(factor >= 1) { return "\(factor) times candidates" }
    if case .weighted(let limit) = late, limit < 1 { return "a staleness of \(limit)" }
    if let bufferSize, bufferSize < 1 { return "buffers of \(bufferSize) results" }
    if bufferSize != nil, late == .dropped { return "buffered results that are dropped when late" }
    if !(heartbeatSeconds > 0) || missedHeartbeats < 1 { return "heartbeats that never end" }
    if maskInterval < 1 { return "masks of \(maskInterval) rounds" }
    return mostAttempts < 1 ? "\(mostAttempts) attempts" : nil
  }

  /// How long a task is kept without a heartbeat, in seconds.
  public var leaseSeconds: Double { heartbeatSeconds * Double(missedHeartbeats) }

  /// How many results a round waits for when so many devices are available.
  public func target(available: Int) -> Int {
    if let bufferSize { return bufferSize }
    return min(available, max(minimumReports, Int((fraction * Double(available)).rounded())))
  }

  /// How many devices are asked.
  public func sampleSize(available: Int) -> Int {
    guard bufferSize == nil else {
      return min(available, max(1, Int((fraction * Double(available)).rounded())))
    }
    let target = Double(target(available: available))
    return min(available, Int((target * overSampling).rounded(.up)))
  }
}
