import Tensor

// Masks cancel only in vectors of one shape. Two ways to sum updates of different coverage:
//
// - one session for each plan: all its clients cover the same entries, which the plan says in the
//   clear. The vector is the covered part, weighted by ω_k / ω_max; Σ ω needs no secrecy.
// - one session for all: vectors of full shape, zeros outside the coverage, and a second vector of
//   m_k ω_k / ω_max for the denominator.

/// Vectors for secure sums, and what the sums mean.
public struct SecureVectors: Sendable {
  /// ω_max: weights are divided by it, so that clipping bounds do not depend on them.
  public let largestWeight: Double

  /// Vectors for weights up to `largestWeight`.
  public init(largestWeight: Double) {
    expect(largestWeight > 0, "secure vectors: a largest weight of \(largestWeight)")
    self.largestWeight = largestWeight
  }

  private func share(_ weight: Double) -> Double { min(max(weight / largestWeight, 0), 1) }

  // MARK: - One session for each plan

  /// A client's vector in its plan's session: the covered part.
  ///
  /// - Parameters:
  ///   - update: the lifted update.
  ///   - weight: ω_k, above 0.
  ///   - global: the parameters, for their order.
  /// - Returns: as many numbers as the plan covers.
  public func covered(
    _ update: LiftedUpdate,
    weight: Double,
    like global: ParameterSet
  ) -> [Float] {
    let factor = Float(share(weight))
    return coveredLayout(update, global).items.flatMap { item in
      let elements = update.delta[item.name]?.elements ?? []
      let kept = item.mask.map { $0.indices.map { elements[$0] } } ?? elements
      return kept.map { $0 * factor }
    }
  }

  /// The contribution of a whole group, from the sum of its vectors.
  ///
  /// - Parameters:
  ///   - sum: what the session gave.
  ///   - weights: ω of the clients that uploaded.
  ///   - pattern: any update of the plan, for its shapes and coverage.
  ///   - global: the parameters.
  /// - Returns: the group's mean with the weight of all its clients.
  public func contribution(
    ofGroup sum: [Double],
    weights: [Double],
    pattern: LiftedUpdate,
    like global: ParameterSet
  ) -> Contribution {
    let total = weights.reduce(0) { $0 + share($1) }
    let numbers = sum.map { total > 0 ? Float($0 / total) : 0 }
    let delta = coveredLayout(pattern, global).unflattened(numbers)
    return Contribution(
      client: -1,
      update: LiftedUpdate(delta: delta, coverage: pattern.coverage),
      exampleCount: Int(weights.reduce(0, +).rounded()),
      memberCount: weights.count
    )
  }

  private func coveredLayout(_ update: LiftedUpdate, _ global: ParameterSet) -> UpdateLayout {
    var parts = ParameterSet()
    var masks: [String: BitSet] = [:]
    for name in global.names {
      guard let part = update.delta[name], let coverage = update.coverage[name] else { continue }
      parts[name] = part
      if case .bits(let mask) = coverage { masks[name] = mask }
    }
    return UpdateLayout(parts, masks: masks)
  }

  // MARK: - One session for all

  /// A client's vector of twice the parameters' size: ω D in full shape, then ω m.
  public func full(
    _ update: LiftedUpdate,
    weight: Double,
    like global: ParameterSet
  ) -> [Float] {
    let factor = share(weight)
    let numerators = update.expanded(like: global).tensors.flatMap { tensor in
      tensor.elements.map { Float(factor * Double($0)) }
    }
    let denominators = global.entries.flatMap { name, tensor -> [Float] in
      var part = [Float](repeating: 0, count: tensor.count)
      if update.delta[name] != nil {
        update.coverage[name]?.mask(of: tensor.shape).forEachSet { part[$0] = Float(factor) }
      }
      return part
    }
    return numerators + denominators
  }

  /// The mean over covering clients, from the sum of such vectors.
  ///
  /// Nobody learns how many clients cover an entry: counts are 1 where any does.
  public func mean(ofSum sum: [Double], like global: ParameterSet) -> AggregatedUpdate {
    let count = global.scalarCount
    expect(sum.count == 2 * count, "secure vectors: \(sum.count) numbers, not \(2 * count)")
    var result = AggregatedUpdate(
      average: .zeros(like: global),
      weights: .zeros(like: global),
      counts: [],
      applied: CoverageSet()
    )
    var start = 0
    for (name, shape) in global.shapes {
      let range = start..<start + shape.count
      let weights = sum[range.lowerBound + count..<range.upperBound + count].map { max($0, 0) }
      let averages = zip(sum[range], weights).map { $1 > 0 ? Float($0 / $1) : 0 }
      result.average[name] = Tensor(averages, shape: shape)
      result.weights[name] = Tensor(weights.map { Float($0 * largestWeight) }, shape: shape)
      result.counts.append(Tensor(weights.map { $0 > 0 ? Int32(1) : 0 }, shape: shape))
      let covered = BitSet(weights.map { $0 > 0 })
      result.applied[name] = covered.setCount == shape.count ? .full : .bits(covered)
      start += shape.count
    }
    return result
  }
}
