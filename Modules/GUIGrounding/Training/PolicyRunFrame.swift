import Autograd
import Foundation
import Tensor

/// A learning rate that rises, and falls in a straight line to a share of its peak.
///
///     rate(s) = peak · min(1, s / warm-up) · max(share, 1 − (s − 1) / steps)        s = 1, 2, …
public struct PolicyRate: Codable, Hashable, Sendable {
  /// The largest rate.
  public var peak: Float
  /// The steps over which the rate rises.
  public var warmUpSteps: Int
  /// The least share of the peak behind the warm-up.
  public var finalShare: Float

  /// A rate.
  public init(peak: Float, warmUpSteps: Int, finalShare: Float) {
    (self.peak, self.warmUpSteps, self.finalShare) = (peak, warmUpSteps, finalShare)
  }

  /// The rate of a step, counted from 1, of so many.
  public func callAsFunction(step: Int, of steps: Int) -> Float {
    let rise = min(1, Double(step) / Double(max(warmUpSteps, 1)))
    let fall = max(Double(finalShare), 1 - Double(step - 1) / Double(max(steps, 1)))
    return Float(Double(peak) * rise * fall)
  }
}

/// What the three stages of training share.
struct PolicyRunFrame {
  let path: String
  let policy: NativeGroundingPolicy
  let exampleCount: Int
  let batchSize: Int

  /// The factors of AdamW's averages.
  static let betas = (0.9, 0.98)

  /// The name under which a checkpoint holds the options.
  private static let identityName = "grounding"

  /// Refuses numbers that no run can work with.
  func check(steps: Int, rate: PolicyRate) throws(GroundingTrainingError) {
    guard batchSize > 0 else { throw .option("\(batchSize) examples a step") }
    guard exampleCount >= batchSize else {
      throw .fewExamples(count: exampleCount, needed: batchSize)
    }
    guard steps >= 0 else { throw .option("\(steps) steps") }
    guard rate.peak >= 0, rate.peak.isFinite, rate.warmUpSteps >= 0,
      (0...1).contains(rate.finalShare)
    else { throw .option("a learning rate of \(rate)") }
  }

  /// Batches of the examples, in a new order each epoch.
  func batches(_ examples: GroundingExamples, seed: UInt64) -> Batches<GroundingExamples> {
    examples.batches(of: batchSize, order: .shuffled(seed: seed), dropsRemainder: true)
  }

  /// Lets a run go on only with the options that it began with.
  func guardIdentity<Numbers: Codable & Equatable>(
    _ numbers: Numbers,
    in run: inout TrainingRun
  ) throws {
    let path = path
    let (willSave, didResume) = (run.willSave, run.didResume)
    run.willSave = { checkpoint in
      checkpoint.values[Self.identityName] = numbers
      try willSave?(&checkpoint)
    }
    run.didResume = { saved in
      let earlier = try saved.value(Self.identityName, as: Numbers.self)
      guard earlier == numbers else {
        throw GroundingTrainingError.otherOptions(
          path: path,
          difference: "options \(earlier), now \(numbers)"
        )
      }
      try didResume?(saved)
    }
  }

  /// The policy as it was when the run began: kept in the folder, so that a resumed run has it too.
  func frozenPolicy(_ name: String) throws(GroundingTrainingError) -> NativeGroundingPolicy {
    let file = path + "/" + name + ".safetensors"
    do {
      guard hasBegun, FileManager.default.fileExists(atPath: file) else {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try policy.write(to: file)
        return policy.frozenCopy()
      }
      let frozen = try NativeGroundingPolicy(path: file)
      frozen.freeze()
      guard frozen.configuration == policy.configuration else {
        throw GroundingTrainingError.frozenPolicy(path: file, reason: "another configuration")
      }
      return frozen
    } catch let error as GroundingTrainingError {
      throw error
    } catch {
      throw .frozenPolicy(path: file, reason: "\(error)")
    }
  }

  /// Whether the folder has a checkpoint, from which the run goes on.
  private var hasBegun: Bool {
    let names = try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")
    return names?.contains { $0.hasPrefix("step-") } ?? false
  }
}
