import Tensor

// Yin et al. 2018, "Byzantine-Robust Distributed Learning": the median and the trimmed mean of each
// entry. Here they run over the devices that cover the entry; weights do not count.

/// Means of each entry that a few wrong updates cannot move far.
///
/// - Complexity: O(n K) for K updates of n entries.
public struct RobustAggregation: Codable, Hashable, Sendable {
  /// The rules.
  public enum Rule: Codable, Hashable, Sendable {
    /// The middle value; of an even number, the mean of the two in the middle.
    case median
    /// The mean without the ⌊share · count⌋ smallest and as many largest values.
    case trimmedMean(share: Double)
  }

  /// The rule.
  public var rule: Rule
  /// How many devices must cover an entry, or it keeps its value.
  public var overlapFloor: Int

  /// A robust mean.
  public init(_ rule: Rule = .trimmedMean(share: 0.1), overlapFloor: Int = 1) {
    if case .trimmedMean(let share) = rule {
      expect(share >= 0 && share < 0.5, "trimmed mean: a share of \(share) on each side")
    }
    self.rule = rule
    self.overlapFloor = overlapFloor
  }

  /// The robust mean of the contributions, for parameters of these names and shapes.
  public func callAsFunction(
    _ contributions: [Contribution],
    like global: ParameterSet
  ) -> AggregatedUpdate {
    var counter = CoverageAccumulator(like: global)
    counter.add(contributions, weighting: .uniform)
    var result = counter.mean(
      CoverageMean(weighting: .uniform, overlapFloor: overlapFloor)
    )
    for (place, (name, shape)) in global.shapes.enumerated() {
      guard let applied = result.applied[name] else { continue }
      let terms = contributions.compactMap { contribution in
        contribution.part(name, of: shape).map {
          SumTerm($0.0, $0.1, factor: contribution.scale)
        }
      }
      let tasks = RowTask.split(shape, terms, place: place)
      result.average.update(at: place) { average in
        average.withUnsafeMutableElements { target in
          guard let start = target.baseAddress else { return }
          WorkPool.forEach(parts: tasks.count) { self.fill(start, tasks[$0]) }
        }
        average = applied.part(of: average)
      }
    }
    withExtendedLifetime(contributions) {}
    return result
  }

  /// Replaces the entries of a task that are covered.
  private func fill(_ target: UnsafeMutablePointer<Float>, _ task: RowTask) {
    let (first, count) = (task.rows.lowerBound * task.stride, task.rows.count * task.stride)
    // [entries × devices], the first `filled` of each row are values.
    var filled = [Int](repeating: 0, count: count)
    var values = [Float](repeating: 0, count: count * task.terms.count)
    for term in task.terms {
      guard let source = term.elements else { continue }
      term.forEachRun(in: task.rows, stride: task.stride) { global, local, length in
        for offset in 0..<length {
          let entry = global + offset - first
          values[entry * task.terms.count + filled[entry]] =
            Float(term.factor * Double(source[local + offset]))
          filled[entry] += 1
        }
      }
    }
    values.withUnsafeMutableBufferPointer { values in
      for entry in 0..<count where filled[entry] > 0 {
        let start = entry * task.terms.count
        let range = start..<start + filled[entry]
        target[first + entry] = Float(
          middle(UnsafeMutableBufferPointer(rebasing: values[range]))
        )
      }
    }
  }

  /// The rule's mean of values, which it reorders.
  private func middle(_ values: UnsafeMutableBufferPointer<Float>) -> Double {
    let count = values.count
    switch rule {
    case .median:
      let (low, high) = ((count - 1) / 2, count / 2)
      values.select(high, in: 0..<count)
      let lower = low == high ? values[high] : values[..<high].max() ?? values[high]
      return (Double(lower) + Double(values[high])) / 2
    case .trimmedMean(let share):
      let dropped = Int((share * Double(count)).rounded(.down))
      let kept = dropped..<count - dropped
      values.select(kept.lowerBound, in: 0..<count)
      values.select(kept.upperBound - 1, in: kept.lowerBound..<count)
      return values[kept].reduce(0) { $0 + Double($1) } / Double(kept.count)
    }
  }
}

/// Updates whose norm is bounded: D · min(1, S / ‖D‖).
public struct NormClipping: Codable, Hashable, Sendable {
  /// S.
  public var bound: Double

  /// A bound above 0.
  public init(bound: Double) {
    expect(bound > 0, "norm clipping: a bound of \(bound)")
    self.bound = bound
  }

  /// The contributions with norms of at most S.
  public func callAsFunction(_ contributions: [Contribution]) -> [Contribution] {
    contributions.map { contribution in
      var contribution = contribution
      contribution.scale *= factor(for: contribution.norm)
      return contribution
    }
  }

  /// min(1, S / norm).
  public func factor(for norm: Double) -> Double { norm > bound ? bound / norm : 1 }
}
