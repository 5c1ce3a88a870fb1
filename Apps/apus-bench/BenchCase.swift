import Checkpoints

/// One thing to measure: our call, and what the peer runs against it.
struct BenchCase {
  /// The name in the table and in the JSON.
  let name: String
  /// What the seconds are turned into.
  let metric: Metric
  /// What limits it on this machine.
  var bound = Bound.unknown
  /// The peer's side, in its own terms; nil if there is none.
  var peer: JSONObject?
  /// Our side.
  let call: () -> Void
}

/// The seconds per call of one side, one value for each repeat.
struct Samples {
  private(set) var seconds: [Double] = []

  /// The middle of the repeats: what the ratio is made of.
  var median: Double {
    let sorted = seconds.sorted()
    let middle = sorted.count / 2
    guard !sorted.isEmpty else { return .nan }
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The fastest repeat: what the machine can do when nobody else uses it.
  var best: Double { seconds.min() ?? .nan }

  mutating func add(_ more: [Double]) { seconds += more }
}

/// How long and how often a case is measured.
struct Effort {
  /// The turns of either side.
  let rounds: Int
  /// The seconds of one turn, about.
  let turn: Double
  /// The least seconds of one repeat; shorter calls are timed in bunches.
  let repeatLength: Double

  static let full = Effort(rounds: 7, turn: 0.04, repeatLength: 0.001)
  static let quick = Effort(rounds: 3, turn: 0.01, repeatLength: 0.0005)

  /// The calls in one timed bunch.
  func inner(estimate: Double) -> Int {
    max(1, Int((repeatLength / max(estimate, 1e-9)).rounded(.up)))
  }

  /// Whether a turn begins with a call that is not timed; long calls need none.
  func warmsUp(estimate: Double) -> Bool { estimate < 2 * turn }

  /// The timed bunches in one turn.
  func repeats(estimate: Double) -> Int {
    min(max(Int(turn / (estimate * Double(inner(estimate: estimate)))), 1), 15)
  }
}
