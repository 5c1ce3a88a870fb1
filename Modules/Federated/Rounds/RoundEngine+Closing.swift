import Tensor

/// What was measured of a new model.
public struct RoundMeasures: Sendable {
  /// The model on the test set.
  public var evaluation: Evaluation?
  /// The model on the devices' own examples.
  public var clients: ClientAccuracy?
  /// The model on the test set as devices use it, by width and bits.
  public var slices: [String: Evaluation] = [:]
  /// How many devices of each class counted.
  public var participation: [String: Int] = [:]

  /// What else a person should look at.
  public var warnings: [String] = []

  /// Nothing was measured.
  public init() {}
}

extension RoundEngine {
  /// The devices whose results count in the round under way, in the order in which they came.
  public var participants: [Int] { state.tally.participants }

  /// Ends the collection and applies its results.
  ///
  /// - Returns: false when there were too few results: nothing was applied, and the round is begun
  ///   again.
  /// - Throws: `RoundError.wrongPhase`, or `.tooFewClients` after the last attempt.
  public mutating func aggregate() throws(RoundError) -> Bool {
    try expect(.collect)
    state.phase = .aggregate
    closeOpenTasks()
    let tally = state.tally
    let needed = settings.bufferSize == nil ? settings.minimumReports : 1
    guard tally.reported >= needed else {
      state.attempt += 1
      state.phase = .idle
      pending = []
      guard state.attempt < settings.mostAttempts else {
        throw .tooFewClients(available: tally.reported, needed: needed)
      }
      return false
    }
    let aggregated = combined()
    if !forgetsModel(state.modelVersion) { earlierModels[state.modelVersion] = model }
    optimizer.step(&model, by: aggregated)
    state.modelVersion += 1
    coverage = CoverageReport(aggregated, gapsBefore: state.roundsWithGaps)
    state.roundsWithGaps = coverage?.roundsWithGaps ?? 0
    state.phase = .evaluate
    return true
  }

  /// What all results did together.
  private mutating func combined() -> AggregatedUpdate {
    flush()
    let floor = aggregation.mean.overlapFloor
    var aggregated: AggregatedUpdate
    switch aggregation.rule {
    case .mean: aggregated = accumulator.mean(aggregation.effectiveMean)
    case .median: aggregated = RobustAggregation(.median, overlapFloor: floor)(pending, like: model)
    case .trimmedMean(let share):
      aggregated = RobustAggregation(.trimmedMean(share: share), overlapFloor: floor)(
        pending,
        like: model
      )
    case .krum(let byzantine, let selected):
      let krum = Krum(byzantineCount: byzantine, selectedCount: selected)
      aggregated = aggregation.mean(krum(pending, like: model), like: model)
    }
    pending = []
    if aggregation.normalizesSteps, state.tally.weightSum > 0 {
      let steps = Float(state.tally.stepSum / state.tally.weightSum)  // τ_eff
      aggregated.average = aggregated.average.scaled(by: steps)
    }
    addNoise(to: &aggregated)
    return aggregated
  }

  /// Noise on every entry, covered or not: who covers what must not show.
  private mutating func addNoise(to aggregated: inout AggregatedUpdate) {
    guard let privacy = aggregation.privacy else { return }
    var draws = generator.fork(.min)
    let noise = model.mapValues { .normal($0.shape, using: &draws) }
    aggregated.average.add(noise, scale: Float(privacy.deviation))
    aggregated.applied = .full(of: model)
    state.accountant.add(
      samplingRate: state.tally.samplingRate,
      noiseMultiplier: privacy.noiseMultiplier
    )
  }

  /// ε spent so far; nil without central privacy.
  public var epsilon: Double? {
    aggregation.privacy.map { _ in state.accountant.epsilon(delta: aggregation.privacyDelta) }
  }

  /// Tasks that may not report any more end here; the others go on.
  private mutating func closeOpenTasks() {
    if case .weighted = settings.late { return }
    state.expired.formUnion(state.open.keys)
    state.tally.lost += state.open.count
    state.open = [:]
    earlierModels = [:]
  }

  /// Ends the round with what was measured.
  ///
  /// - Returns: the round's report, which the state keeps.
  /// - Throws: `RoundError.wrongPhase`.
  @discardableResult
  public mutating func finish(_ measures: RoundMeasures) throws(RoundError) -> RoundReport {
    try expect(.evaluate)
    let tally = state.tally
    let report = RoundReport(
      round: state.round,
      attempts: state.attempt + 1,
      start: state.firstStart,
      end: state.now,
      selected: tally.selected,
      reported: tally.reported,
      stale: tally.stale,
      dropped: tally.dropped,
      lost: tally.lost,
      rejections: tally.rejections,
      downlinkBytes: tally.downlinkBytes,
      uplinkBytes: tally.uplinkBytes,
      coverage: coverage ?? .none,
      participation: measures.participation,
      trainingLoss: tally.lossWeight > 0 ? tally.lossSum / tally.lossWeight : nil,
      evaluation: measures.evaluation,
      clients: measures.clients,
      slices: measures.slices,
      epsilon: epsilon.map { $0.isFinite ? $0 : .greatestFiniteMagnitude },
      warnings: warnings(of: measures)
    )
    state.reports.append(report)
    state.phase = .checkpoint
    return report
  }

  private func warnings(of measures: RoundMeasures) -> [String] {
    var result = measures.warnings
    if state.roundsWithGaps > settings.coveragePatience {
      let share = coverage.map { Double($0.histogram[0]) / Double(max(model.scalarCount, 1)) } ?? 0
      let percent = Int((100 * share).rounded(.up))
      result.append(
        "coverage index 0 for \(state.roundsWithGaps) rounds: up to \(percent) % of the entries are "
          + "trained by no device; keep some devices whole, or use rolling slices"
      )
    }
    if let loss = measures.evaluation?.loss, !loss.isFinite {
      result.append("the loss is not finite; lower the learning rates")
    }
    if !state.tally.rejections.isEmpty {
      result.append("\(state.tally.rejections.count) results were refused")
    }
    return result
  }

  /// Goes on to the next round without a checkpoint.
  ///
  /// - Throws: `RoundError.wrongPhase`.
  public mutating func continueWithoutCheckpoint() throws(RoundError) {
    try expect(.checkpoint)
    state.round += 1
    state.attempt = 0
    state.phase = .idle
  }
}

// MARK: - Norms

extension RoundEngine {
  /// Why a norm is not believed; nil when it is.
  func normFault(of norm: Double, client: Int) -> RoundError? {
    guard let factor = aggregation.normLimit, let limit = state.norms.limit(factor: factor),
      norm > limit
    else { return nil }
    return .invalidUpdate(
      client: client,
      reason: "its norm is \(Float(norm)), at most \(Float(limit)) is believed"
    )
  }
}
