/// What happened in a round.
public struct RoundReport: Codable, Hashable, Sendable {
  /// The round, from 0.
  public var round: Int
  /// How often it was repeated.
  public var attempts: Int
  /// When it began, in seconds of the run's clock.
  public var start: Double
  /// When it was over.
  public var end: Double
  /// How many devices were asked.
  public var selected: Int
  /// How many results count.
  public var reported: Int
  /// How many of them began at an earlier model.
  public var stale: Int
  /// How many results came too late and were dropped.
  public var dropped: Int
  /// How many tasks were lost: no heartbeat, or not done when the round closed.
  public var lost: Int
  /// The results that were refused, and why.
  public var rejections: [String]
  /// What all devices received.
  public var downlinkBytes: Int
  /// What all devices sent.
  public var uplinkBytes: Int
  /// Who covers what.
  public var coverage: CoverageReport
  /// How many devices of each class counted.
  public var participation: [String: Int]
  /// The mean loss of training, weighted by examples; nil if no device told it.
  public var trainingLoss: Double?
  /// The new model on the test set; nil in rounds that are not measured.
  public var evaluation: Evaluation?
  /// The new model on the devices' own examples; nil in rounds that are not measured.
  public var clients: ClientAccuracy?
  /// The new model on the test set as devices use it, by width and bits.
  public var slices: [String: Evaluation]
  /// ε spent so far; nil without differential privacy.
  public var epsilon: Double?
  /// What a person should look at.
  public var warnings: [String]
}

/// By how many devices the entries of the model were covered in a round.
public struct CoverageReport: Codable, Hashable, Sendable {
  /// Γ, the smallest number of devices that cover an entry.
  public var minimum: Int
  /// The mean number of devices that cover an entry.
  public var mean: Double
  /// Element c is the number of entries that c devices cover; the last one holds all larger counts.
  public var histogram: [Int]
  /// For how many rounds in a row some entry has been covered by nobody.
  public var roundsWithGaps: Int

  /// The most elements of a histogram.
  static let binLimit = 65

  init(_ aggregate: AggregatedUpdate, gapsBefore: Int) {
    var counts = aggregate.histogram
    let entries = counts.reduce(0, +)
    let sum = counts.enumerated().reduce(0) { $0 + $1.offset * $1.element }
    minimum = counts.firstIndex { $0 > 0 } ?? 0
    mean = entries > 0 ? Double(sum) / Double(entries) : 0
    if counts.count > Self.binLimit {
      let rest = counts[(Self.binLimit - 1)...].reduce(0, +)
      counts = counts.prefix(Self.binLimit - 1) + [rest]
    }
    histogram = counts
    roundsWithGaps = minimum == 0 ? gapsBefore + 1 : 0
  }
}

/// How well one model serves many devices.
public struct ClientAccuracy: Codable, Hashable, Sendable {
  /// The mean of the devices' accuracies, each counted once.
  public var mean: Double
  /// The mean over the tenth of the devices that are served worst.
  public var worstDecile: Double
  /// How many devices were measured.
  public var count: Int

  /// From one accuracy for each device; nil without any.
  public init?(_ accuracies: [Double]) {
    guard !accuracies.isEmpty else { return nil }
    let sorted = accuracies.sorted()
    let worst = sorted.prefix(max(1, sorted.count / 10))
    mean = sorted.reduce(0, +) / Double(sorted.count)
    worstDecile = worst.reduce(0, +) / Double(worst.count)
    count = sorted.count
  }
}

extension CoverageReport {
  /// Of a round that nobody trained in.
  static let none = CoverageReport(minimum: 0, mean: 0, histogram: [], roundsWithGaps: 0)

  private init(minimum: Int, mean: Double, histogram: [Int], roundsWithGaps: Int) {
    self.minimum = minimum
    self.mean = mean
    self.histogram = histogram
    self.roundsWithGaps = roundsWithGaps
  }
}
