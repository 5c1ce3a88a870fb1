import Checkpoints
import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How far a run has come: what a progress closure gets.
///
/// Libraries do not print; a program shows this as a bar, a line, or not at all.
public struct TrainingProgress: Hashable, Sendable {
  /// The steps done, those of earlier sessions included.
  public var step: Int
  /// The steps of the whole run.
  public var total: Int
  /// The epoch, counted from 0.
  public var epoch: Int
  /// Seconds since this session began.
  public var elapsed: Double
  /// Steps per second lately; nil before there is anything to say.
  public var rate: Double?
  /// The latest value of each metric.
  public var metrics: [String: Double]

  /// Progress at a step.
  public init(
    step: Int,
    total: Int,
    epoch: Int = 0,
    elapsed: Double = 0,
    rate: Double? = nil,
    metrics: [String: Double] = [:]
  ) {
    self.step = step
    self.total = total
    self.epoch = epoch
    self.elapsed = elapsed
    self.rate = rate
    self.metrics = metrics
  }

  /// The part that is done, in [0, 1].
  public var fraction: Double { total > 0 ? min(Double(step) / Double(total), 1) : 0 }

  /// The seconds that the rest takes at the same rate; nil before there is anything to say.
  public var remaining: Double? {
    guard let rate, rate > 0 else { return nil }
    return Double(max(total - step, 0)) / rate
  }

  /// The metrics as a note for a progress bar, by name: `accuracy 0.912, loss 2.307`.
  public var note: String {
    let sorted = metrics.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    return sorted.map { "\($0.key) \($0.value.text(.significant, digits: 4))" }
      .joined(separator: ", ")
  }
}

/// Measures the rate of a run and makes its progress values.
///
///     var meter = ProgressMeter(total: 2_000)
///     for step in 1...2_000 {
///       ...
///       show(meter.advance(to: step, metrics: ["loss": loss]))
///     }
///
/// The rate is that of the last half minute or so: N/D, where each call adds its steps to N and its
/// seconds to D after both were multiplied by exp(−seconds/30).
public struct ProgressMeter {
  /// The steps of the whole run.
  public let total: Int
  private let now: () -> Double
  private let start: Double
  private var lastTime: Double
  private var lastStep: Int
  private var steps = 0.0
  private var seconds = 0.0
  private var metrics: [String: Double] = [:]

  /// A meter for a run of `total` steps that stands at `step`, and begins a session now.
  public init(total: Int, step: Int = 0, now: @escaping () -> Double = { RunLog.uptime() }) {
    self.total = total
    self.now = now
    start = now()
    lastTime = start
    lastStep = step
  }

  /// The progress now that `step` steps are done; metrics that are not given keep their values.
  public mutating func advance(
    to step: Int,
    epoch: Int = 0,
    metrics: [String: Double] = [:]
  ) -> TrainingProgress {
    let time = now()
    let passed = max(time - lastTime, 0)
    let decay = exp(-passed / 30)
    steps = steps * decay + Double(step - lastStep)
    seconds = seconds * decay + passed
    (lastTime, lastStep) = (time, step)
    self.metrics.merge(metrics) { $1 }
    return TrainingProgress(
      step: step,
      total: total,
      epoch: epoch,
      elapsed: time - start,
      rate: seconds > 0 && steps > 0 ? steps / seconds : nil,
      metrics: self.metrics
    )
  }
}
