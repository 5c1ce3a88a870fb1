public import Tensor

/// What one device brings to a round: its lifted update and what its weight is made from.
public struct Contribution: Sendable {
  /// The device.
  public var client: Int
  /// D_k and m_k.
  public var update: LiftedUpdate
  /// n_k.
  public var exampleCount: Int
  /// τ_k, the steps that the device made.
  public var stepCount: Int
  /// How many devices it stands for: a secure sum is the contribution of its whole group.
  public var memberCount: Int
  /// The factor on D_k alone: clipping and normalisation use it, so that nothing is copied.
  public var scale: Double
  /// The factor on the weight: of staleness, for example (1 + s)^−1/2.
  public var weightFactor: Double

  /// A contribution.
  public init(
    client: Int,
    update: LiftedUpdate,
    exampleCount: Int,
    stepCount: Int = 1,
    memberCount: Int = 1,
    scale: Double = 1,
    weightFactor: Double = 1
  ) {
    self.client = client
    self.update = update
    self.exampleCount = exampleCount
    self.stepCount = stepCount
    self.memberCount = memberCount
    self.scale = scale
    self.weightFactor = weightFactor
  }

  /// The part of a parameter of this shape and what it covers; nil if it covers nothing of it.
  func part(_ name: String, of shape: Shape) -> (Tensor<Float>, Coverage)? {
    guard let coverage = update.coverage[name], let part = update.delta[name] else { return nil }
    expect(
      coverage.fits(shape) && part.shape == coverage.partShape(of: shape),
      "aggregation: '\(name)' of client \(client) does not fit, \(part.shape) · \(shape)"
    )
    return (part, coverage)
  }

  /// ‖scale · D‖ over all entries.
  public var norm: Double { abs(scale) * update.delta.norm }
}

/// ω_k, with which a device's update counts.
public enum AggregationWeight: String, Codable, Hashable, Sendable, CaseIterable {
  /// n_k.
  case examples
  /// 1: a plain count of the devices that cover an entry (HeteroFL's official code).
  case uniform

  /// ω_k of a contribution, its factor included.
  public func callAsFunction(_ contribution: Contribution) -> Double {
    switch self {
    case .examples: Double(contribution.exampleCount) * contribution.weightFactor
    case .uniform: Double(contribution.memberCount) * contribution.weightFactor
    }
  }
}

/// What devices did together: A, and by how much of them each entry is covered.
public struct AggregatedUpdate: Sendable {
  /// A in the shapes of the global parameters; 0 where it does not apply.
  public var average: ParameterSet
  /// Σ_k ω_k m_kj of each entry.
  public var weights: ParameterSet
  /// How many devices cover each entry, in the order of the parameters.
  public var counts: [Tensor<Int32>]
  /// Where A applies: entries that enough devices cover.
  public var applied: CoverageSet

  /// An aggregate.
  public init(
    average: ParameterSet,
    weights: ParameterSet,
    counts: [Tensor<Int32>],
    applied: CoverageSet
  ) {
    self.average = average
    self.weights = weights
    self.counts = counts
    self.applied = applied
  }

  /// How often entries are covered: index c holds how many entries c devices cover.
  public var histogram: [Int] {
    var result: [Int] = [0]
    for tensor in counts {
      tensor.withUnsafeElements { elements in
        for count in elements {
          let index = Int(count)
          if index >= result.count {
            result += [Int](repeating: 0, count: index + 1 - result.count)
          }
          result[index] += 1
        }
      }
    }
    return result
  }

  /// Γ, the smallest number of devices that cover an entry.
  public var minimumCoverage: Int {
    counts.reduce(Int.max) { least, tensor in
      tensor.withUnsafeElements { $0.reduce(least) { min($0, Int($1)) } }
    }
  }
}
