import Checkpoints
import Foundation
import Tensor

/// One run of the command: measures cases, ours and the peer's in turns, and reports them.
final class BenchRun {
  /// The model of the suites that need one, as it was typed.
  let modelPath: String?
  /// The reference; nil if there is none.
  let peer: Peer?
  /// Where rows go.
  let report: Report
  /// How long and how often cases are measured.
  let effort: Effort
  private let probe = MachineLimits.Probe()
  private var limits: MachineLimits
  private var suite = ""
  /// Only tables whose title contains this are measured; nil for all.
  private let groups: String?
  private var isGroupWanted = true

  /// Seconds between two turns.
  ///
  /// The workers of torch and OpenBLAS spin for a while after a call;
  /// they must sleep before the other side is measured.
  private static let settling = 0.03

  init(
    modelPath: String?,
    groups: String?,
    peer: Peer.Outcome,
    report: Report,
    effort: Effort
  ) {
    self.modelPath = modelPath
    self.groups = groups
    self.report = report
    self.effort = effort
    limits = probe.measure()
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let threads = WorkPool.threadCount
    report.say("\(processorName()), \(cores) cores, kernels \(WorkPool.instructionSet)")
    let clock = threads == 1 ? "processor time" : "time on the wall"
    report.say("threads: \(threads) on either side; clock: \(clock)")
    switch peer {
    case .found(let found):
      self.peer = found
      let names = found.variants.sorted { $0.key < $1.key }.map(\.value)
      report.say("peer: \(names.joined(separator: ", ")), \(found.capability)")
    case .missing(let reason):
      self.peer = nil
      report.say("peer: none, so the reference columns are empty: \(reason)")
    }
  }

  /// Runs a suite.
  func run(_ suite: Suite) throws {
    self.suite = suite.name
    try suite.measure(self)
  }

  /// Starts a table, after a fresh look at what the machine can do now.
  ///
  /// - Returns: Whether it was asked for; if not, its cases are passed over.
  @discardableResult
  func startGroup(_ title: String) -> Bool {
    isGroupWanted = groups.map { title.contains($0) } ?? true
    guard isGroupWanted else { return false }
    let now = probe.measure()
    limits.raise(to: now)
    report.say(
      "\nmultiply-add peak \(significant(now.peakPerThread / 1e9)) GFLOP/s a thread, "
        + "\(significant(now.peak / 1e9)) together; "
        + "read \(significant(now.readBandwidth / 1e9)) GB/s; "
        + "load \(significant(loadAverage()))"
    )
    report.startTable("\(suite): \(title)")
    return true
  }

  /// Measures a case in turns and reports it.
  func measure(_ item: BenchCase) throws {
    guard isGroupWanted else { return }
    let watch = Stopwatch()
    let estimate = watch.estimate(item.call)
    let others = try item.peer.flatMap { try peer?.load($0) } ?? [:]
    var ours = Samples()
    var theirs: [String: Samples] = [:]
    let neighbours = Neighbours(peer: peer?.processIdentifier)
    for _ in 0..<effort.rounds {
      settle()
      if effort.warmsUp(estimate: estimate) { item.call() }
      ours.add(
        watch.seconds(
          repeats: effort.repeats(estimate: estimate),
          inner: effort.inner(estimate: estimate),
          item.call
        )
      )
      for (variant, estimate) in others.sorted(by: { $0.key < $1.key }) {
        settle()
        let seconds = try peer?.run(
          variant,
          repeats: effort.repeats(estimate: estimate),
          inner: effort.inner(estimate: estimate),
          warm: effort.warmsUp(estimate: estimate)
        )
        theirs[variant, default: Samples()].add(seconds ?? [])
      }
    }
    try report(item, ours: ours, theirs: theirs, neighbours: neighbours.share)
  }

  /// Reports a row that was measured elsewhere.
  func add(_ row: ReportRow) throws { try report.add(row, suite: suite) }

  /// Waits until the side that was just measured is at rest.
  func settle() { Thread.sleep(forTimeInterval: Self.settling) }

  private func report(
    _ item: BenchCase,
    ours: Samples,
    theirs: [String: Samples],
    neighbours: Double?
  ) throws {
    let metric = item.metric
    func value(_ samples: Samples) -> ReportRow.Value {
      ReportRow.Value(
        median: metric.value(seconds: samples.median),
        best: metric.value(seconds: samples.best)
      )
    }
    let better = theirs.min { $0.value.median < $1.value.median }
    try add(
      ReportRow(
        name: item.name,
        unit: metric.unit,
        isHigherBetter: metric.isHigherBetter,
        ours: value(ours),
        reference: better.map { (peer?.variants[$0.key] ?? $0.key, value($0.value)) },
        share: share(item.bound, seconds: ours.best),
        neighbours: neighbours
      )
    )
  }

  /// The part of the machine's limit that a call of so many seconds reaches.
  private func share(_ bound: Bound, seconds: Double) -> Double? {
    switch bound {
    case .arithmetic(let operations): operations / seconds / limits.peak
    case .memory(let bytes): bytes / seconds / limits.readBandwidth
    case .unknown: nil
    }
  }
}
