import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A learning rate for each step: it rises over the warm-up, then follows a curve.
///
///     schedule(s) = peak · s / warmUpSteps                           for s < warmUpSteps
///     schedule(s) = floor + (peak − floor) · curve(p)                from there on
///     p = min(1, (s − warmUpSteps) / (steps − warmUpSteps))          how far the curve is
///     curve(p) = 1 (constant), 1 − p (linear), (1 + cos πp) / 2 (cosine)
///
/// Steps count from 0, and `steps` includes the warm-up. So `schedule(0)` is 0 with a warm-up and
/// the peak without; `schedule(warmUpSteps)` is the peak; `schedule(steps)`, behind the last step,
/// is the floor, and stays it. These are the numbers of Hugging Face's
/// `get_{constant,linear,cosine}_schedule_with_warmup`, and without a warm-up of torch's
/// `CosineAnnealingLR`, by the number of `scheduler.step()` calls before.
///
/// `TrainingRun` counts steps from 1. Hugging Face's numbers, whose first step has the rate 0, are
///
///     run.learningRate = { schedule($0 - 1) }
///
/// while `{ schedule($0) }` begins at peak / warmUpSteps and gives the last step the floor.
///
/// - Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2 (warm-up); Loshchilov
///   and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5 (cosine).
public struct LearningRateSchedule: Codable, Hashable, Sendable {
  /// What the rate does after the warm-up.
  public enum Curve: String, Codable, Hashable, Sendable {
    /// Stays at the peak.
    case constant
    /// Falls by the same amount each step.
    case linear
    /// Falls as half a wave of a cosine does.
    case cosine
  }

  /// What the rate does after the warm-up.
  public let curve: Curve
  /// The rate at the end of the warm-up, the largest.
  public let peak: Float
  /// The rate at the end.
  public let floor: Float
  /// The steps of warm-up and curve together; a constant rate has no end.
  public let steps: Int
  /// The steps over which the rate rises from 0 to the peak.
  public let warmUpSteps: Int

  /// A rate that stays as it is after the warm-up.
  ///
  /// - Parameters:
  ///   - rate: the rate, 0 or more.
  ///   - warmUpSteps: the steps over which the rate rises from 0.
  /// - Returns: the schedule.
  public static func constant(_ rate: Float, warmUpSteps: Int = 0) -> LearningRateSchedule {
    LearningRateSchedule(.constant, rate, rate, steps: warmUpSteps, warmUpSteps: warmUpSteps)
  }

  /// A rate that falls in a straight line after the warm-up.
  ///
  /// - Parameters:
  ///   - peak: the rate at the end of the warm-up, 0 or more.
  ///   - floor: the rate at the end, from 0 to the peak.
  ///   - steps: the steps of all, the warm-up included.
  ///   - warmUpSteps: the steps over which the rate rises from 0.
  /// - Returns: the schedule.
  public static func linear(
    from peak: Float,
    to floor: Float = 0,
    steps: Int,
    warmUpSteps: Int = 0
  ) -> LearningRateSchedule {
    LearningRateSchedule(.linear, peak, floor, steps: steps, warmUpSteps: warmUpSteps)
  }

  /// A rate that falls as half a wave of a cosine after the warm-up.
  ///
  /// - Parameters:
  ///   - peak: the rate at the end of the warm-up, 0 or more.
  ///   - floor: the rate at the end, from 0 to the peak.
  ///   - steps: the steps of all, the warm-up included.
  ///   - warmUpSteps: the steps over which the rate rises from 0.
  /// - Returns: the schedule.
  public static func cosine(
    from peak: Float,
    to floor: Float = 0,
    steps: Int,
    warmUpSteps: Int = 0
  ) -> LearningRateSchedule {
    LearningRateSchedule(.cosine, peak, floor, steps: steps, warmUpSteps: warmUpSteps)
  }

  private init(_ curve: Curve, _ peak: Float, _ floor: Float, steps: Int, warmUpSteps: Int) {
    expect(
      peak.isFinite && floor >= 0 && floor <= peak,
      "learning rate schedule: from \(peak) to \(floor); 0 or more that does not rise is needed"
    )
    expect(
      warmUpSteps >= 0 && steps >= warmUpSteps,
      "learning rate schedule: \(warmUpSteps) steps of warm-up do not fit into \(steps) steps"
    )
    self.curve = curve
    self.peak = peak
    self.floor = floor
    self.steps = steps
    self.warmUpSteps = warmUpSteps
  }

  /// The rate of a step, counted from 0.
  public func callAsFunction(_ step: Int) -> Float {
    expect(step >= 0, "learning rate schedule: step \(step), 0 or more is needed")
    let (peak, floor) = (Double(self.peak), Double(self.floor))
    if step < warmUpSteps { return Float(peak * Double(step) / Double(warmUpSteps)) }
    let progress = min(1, Double(step - warmUpSteps) / Double(max(1, steps - warmUpSteps)))
    switch curve {
    case .constant: return self.peak
    case .linear: return Float(floor + (peak - floor) * (1 - progress))
    case .cosine: return Float(floor + (peak - floor) * (1 + cos(.pi * progress)) / 2)
    }
  }
}
