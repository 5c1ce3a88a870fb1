public import Tensor

// DP-FedAvg (McMahan et al. 2018, "Learning Differentially Private Recurrent Language Models"):
//
//     A = ( Σ_k D_k min(1, S / ‖D_k‖) + N(0, (z S)²) ) / (q K)
//
// The denominator is fixed, the number of clients that are expected; it does not follow the coverage.
// Entries that nobody covers get noise as well, or the noise would tell who covers what.

/// Central differential privacy: the server clips each update and adds noise to the sum.
///
/// - Note: the server sees every update; secure aggregation or `LocalPrivacy` is for the case that it
///   must not. Noise from `Philox` is reproducible: its seed must be secret.
public struct CentralPrivacy: Codable, Hashable, Sendable {
  /// S, the largest norm of an update over all its entries.
  public var clippingNorm: Double
  /// z, the noise in units of S.
  public var noiseMultiplier: Double
  /// q K, how many clients a round samples on average.
  public var expectedClients: Double

  /// A mechanism.
  public init(
    clippingNorm: Double = 1,
    noiseMultiplier: Double,
    expectedClients: Double
  ) {
    expect(
      clippingNorm > 0 && noiseMultiplier >= 0 && expectedClients > 0,
      "central privacy: S = \(clippingNorm), z = \(noiseMultiplier), qK = \(expectedClients)"
    )
    self.clippingNorm = clippingNorm
    self.noiseMultiplier = noiseMultiplier
    self.expectedClients = expectedClients
  }

  /// z S / (q K), the deviation of the noise on each entry of A.
  public var deviation: Double { noiseMultiplier * clippingNorm / expectedClients }

  /// The private mean of the contributions; weights do not count, and A applies everywhere.
  public func callAsFunction(
    _ contributions: [Contribution],
    like global: ParameterSet,
    using generator: inout Philox
  ) -> AggregatedUpdate {
    let noise = global.mapValues { .normal($0.shape, using: &generator) }
    return mean(contributions, like: global, noise: noise)
  }

  /// The mean with given numbers of deviation 1.
  func mean(
    _ contributions: [Contribution],
    like global: ParameterSet,
    noise: ParameterSet
  ) -> AggregatedUpdate {
    var clipped = NormClipping(bound: clippingNorm)(contributions)
    for index in clipped.indices { clipped[index].weightFactor = 1 }
    let rule = CoverageMean(weighting: .uniform, normalization: .diluted(total: expectedClients))
    var result = rule(clipped, like: global)
    result.average.add(noise, scale: Float(deviation))
    result.applied = .full(of: global)
    return result
  }
}

/// Local differential privacy: the device clips and adds noise before anything leaves it.
public struct LocalPrivacy: Codable, Hashable, Sendable {
  /// S, the largest norm of an update.
  public var clippingNorm: Double
  /// z, the noise in units of S.
  public var noiseMultiplier: Double

  /// A mechanism.
  public init(clippingNorm: Double = 1, noiseMultiplier: Double) {
    expect(
      clippingNorm > 0 && noiseMultiplier >= 0,
      "local privacy: S = \(clippingNorm), z = \(noiseMultiplier)"
    )
    self.clippingNorm = clippingNorm
    self.noiseMultiplier = noiseMultiplier
  }

  /// A clipped and noisy update; what a mask leaves out stays 0.
  ///
  /// Comes before sparse or few-bit encoding, which then see nothing that is private.
  public func callAsFunction(
    _ delta: ParameterSet,
    of local: LocalModel,
    using generator: inout Philox
  ) -> ParameterSet {
    let factor = Float(NormClipping(bound: clippingNorm).factor(for: delta.norm))
    let deviation = Float(noiseMultiplier * clippingNorm)
    return ParameterSet(
      delta.entries.map { name, tensor in
        let noise = Tensor<Float>.normal(tensor.shape, deviation: deviation, using: &generator)
        let noisy = tensor * factor + noise
        return (name, local.masks[name].map { Coverage.bits($0).part(of: noisy) } ?? noisy)
      }
    )
  }
}
