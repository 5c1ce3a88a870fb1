public import Tensor

/// Removes beams, so that one source shows the densities of sensors with fewer.
///
/// With equal chance a random subset of the beams is kept, or every s-th from a random one on. The
/// sensor of the kept beams comes with the result: with the full sensor's densities a network would
/// learn a wrong relation.
///
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization", density augmentation; the
///   shares of DGLSS (2023).
/// - Choice: the two ways and the steps.
public struct BeamSampling: Codable, Hashable, Sendable {
  /// How likely a scan loses beams.
  public var probability: Double
  /// The least and the largest share of the beams that a random subset keeps.
  public var keptShare: ClosedRange<Double>
  /// The steps s of keeping every s-th beam, equally likely.
  public var steps: [Int]

  /// Beam sampling with the paper's probability.
  public init(
    probability: Double = 0.5,
    keptShare: ClosedRange<Double> = 0.3...0.7,
    steps: [Int] = [2, 3, 4]
  ) {
    expect(
      keptShare.lowerBound >= 0 && keptShare.upperBound <= 1 && steps.allSatisfy { $0 > 0 },
      "beam sampling: shares \(keptShare) and steps \(steps), must be within 0...1 and above 0"
    )
    self.probability = probability
    self.keptShare = keptShare
    self.steps = steps
  }

  /// The scan, or with `probability` what is left of it with fewer beams.
  public func callAsFunction(
    _ scan: SensedScan,
    using generator: inout Philox
  ) -> SensedScan {
    guard generator.isDrawn(probability), scan.model.beamCount > 0 else { return scan }
    return scan.keeping(keptBeams(of: scan.model.beamCount, using: &generator))
  }

  /// The beams of `count` that are kept, drawn anew: at least one, in ascending order.
  public func keptBeams(of count: Int, using generator: inout Philox) -> [Int] {
    if steps.isEmpty || generator.isDrawn(0.5) {
      return randomSubset(of: count, using: &generator)
    }
    let step = steps[generator.integer(below: steps.count)]
    let first = generator.integer(below: min(step, count))
    return Array(stride(from: first, to: count, by: step))
  }

  private func randomSubset(of count: Int, using generator: inout Philox) -> [Int] {
    let exact = (keptShare.lowerBound * Double(count), keptShare.upperBound * Double(count))
    let least = max(Int((exact.0 - 1e-9).rounded(.up)), 1)
    let most = max(Int((exact.1 + 1e-9).rounded(.down)), least)
    let kept = least + generator.integer(below: most - least + 1)
    let order = Tensor<Int32>.permutation(count, using: &generator).elements
    return order.prefix(kept).map { Int($0) }.sorted()
  }
}
