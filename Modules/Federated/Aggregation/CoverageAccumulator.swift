import Tensor

/// The sums of a round while updates come in: Σ ω m D and who covers what.
///
/// Updates may be added a few at a time, so that a round of many devices need not be in memory. The
/// result depends on their order only as far as sums of doubles do.
///
/// - Complexity: one pass over the entries that an update covers; the coverage itself costs one pass
///   for each different coverage of the round, when the mean is taken.
public struct CoverageAccumulator: Sendable {
  private let shapes: [(name: String, shape: Shape)]
  private var sums: [Tensor<Double>]
  private var covers: [CoverTable]
  /// Σ ω over the updates so far.
  public private(set) var totalWeight = 0.0
  /// The number of updates so far.
  public private(set) var contributionCount = 0

  /// Empty sums for parameters of these names and shapes.
  public init(like global: ParameterSet) {
    shapes = global.shapes
    sums = shapes.map { .zeros($0.shape) }
    covers = shapes.map { _ in CoverTable() }
  }

  /// Adds updates, which must fit the parameters.
  public mutating func add(_ contributions: [Contribution], weighting: AggregationWeight) {
    let weights = contributions.map { weighting($0) }
    totalWeight = weights.reduce(totalWeight, +)
    contributionCount += contributions.count
    var tasks: [RowTask] = []
    var targets: [UnsafeMutablePointer<Double>?] = []
    for (place, (name, shape)) in shapes.enumerated() {
      var terms: [SumTerm] = []
      for (contribution, weight) in zip(contributions, weights) {
        guard let (part, coverage) = contribution.part(name, of: shape) else { continue }
        covers[place].add(coverage, weight: weight, count: contribution.memberCount)
        terms.append(SumTerm(part, coverage, factor: weight * contribution.scale))
      }
      tasks += RowTask.split(shape, terms, place: place)
      targets.append(sums[place].withUnsafeMutableElements { $0.baseAddress })
    }
    // The pointers stay valid: nothing else touches the sums or the updates until all parts are done.
    WorkPool.forEach(parts: tasks.count) { index in
      if let target = targets[tasks[index].place] { tasks[index].add(to: target) }
    }
    withExtendedLifetime((contributions, sums)) {}
  }

  /// The mean of all updates so far.
  public func mean(_ rule: CoverageMean) -> AggregatedUpdate {
    var (averages, weights): ([(String, Tensor<Float>)], [(String, Tensor<Float>)]) = ([], [])
    var counts: [Tensor<Int32>] = []
    var applied = CoverageSet()
    for (place, (name, shape)) in shapes.enumerated() {
      let (weight, count) = covers[place].expanded(to: shape)
      let (average, mask) = divided(sums[place], weight, count, rule)
      averages.append((name, average))
      weights.append((name, weight.converted(to: Float.self)))
      counts.append(count)
      applied[name] = mask
    }
    return AggregatedUpdate(
      average: ParameterSet(averages),
      weights: ParameterSet(weights),
      counts: counts,
      applied: applied
    )
  }

  /// Σ / denominator where the rule applies, and where that is; nil for nowhere.
  private func divided(
    _ sum: Tensor<Double>,
    _ weight: Tensor<Double>,
    _ count: Tensor<Int32>,
    _ rule: CoverageMean
  ) -> (average: Tensor<Float>, applied: Coverage?) {
    let floor = Int32(clamping: max(rule.overlapFloor, 1))
    let total: Double? =
      if case .diluted(let total) = rule.normalization { total ?? totalWeight } else { nil }
    var appliedCount = 0
    var average = Tensor<Float>.zeros(sum.shape)
    average.withUnsafeMutableElements { target in
      sum.withUnsafeElements { sum in
        weight.withUnsafeElements { weight in
          count.withUnsafeElements { count in
            for index in target.indices where count[index] >= floor && weight[index] > 0 {
              target[index] = Float(sum[index] / (total ?? weight[index]))
              appliedCount += 1
            }
          }
        }
      }
    }
    if appliedCount == sum.count { return (average, .full) }
    if appliedCount == 0 { return (average, nil) }
    var bits = BitSet(count: sum.count)
    for (index, (count, weight)) in zip(count.elements, weight.elements).enumerated()
    where count >= floor && weight > 0 { bits.insert(index) }
    return (average, .bits(bits))
  }
}

/// The different coverages of one parameter, each with the weights and the number of its devices.
private struct CoverTable: Sendable {
  private var places: [Coverage: Int] = [:]
  private var entries: [(coverage: Coverage, weight: Double, count: Int32)] = []

  mutating func add(_ coverage: Coverage, weight: Double, count: Int) {
    let count = Int32(clamping: count)
    if let place = places[coverage] {
      entries[place].weight += weight
      entries[place].count += count
    } else {
      places[coverage] = entries.count
      entries.append((coverage, weight, count))
    }
  }

  /// Σ ω and the number of devices of each entry.
  func expanded(to shape: Shape) -> (weights: Tensor<Double>, counts: Tensor<Int32>) {
    var weights = Tensor<Double>.zeros(shape)
    var counts = Tensor<Int32>.zeros(shape)
    weights.withUnsafeMutableElements { weights in
      counts.withUnsafeMutableElements { counts in
        for entry in entries {
          func add(_ range: Range<Int>) {
            for index in range {
              weights[index] += entry.weight
              counts[index] += entry.count
            }
          }
          switch entry.coverage {
          case .full: add(0..<shape.count)
          case .box(let axes):
            BoxRuns(axes).forEachRun { start, _, count in add(start..<start + count) }
          case .bits(let bits): bits.forEachSet { add($0..<$0 + 1) }
          }
        }
      }
    }
    return (weights, counts)
  }
}
