/// How votes become one answer.
public enum VoteAggregation: String, Codable, CaseIterable, Sendable {
  /// A mode of their density, reached by mean shift.
  case kdeMode = "kde_mode"
  /// The vote where their density is largest.
  case kdePeakSample = "kde_peak_sample"
  /// Their mean, which lies between where there are two clusters.
  case mean
  /// Their median, each coordinate on its own.
  case median
  /// The first of them: what one answer would have been.
  case firstSample = "first_sample"

  /// The answer that votes with their weights and their kernel give.
  public func callAsFunction(_ density: KernelDensity) -> GroundingPoint {
    switch self {
    case .kdeMode: density.mode
    case .kdePeakSample: density.points[density.peakIndex]
    case .mean: Self.mean(density.points, density.weights)
    case .median: Self.median(density.points, density.weights)
    case .firstSample: density.points[0]
    }
  }

  /// The weighted mean; the weights sum to 1.
  static func mean(_ points: [GroundingPoint], _ weights: [Double]) -> GroundingPoint {
    // From the first vote on, so that equal votes give exactly themselves.
    let origin = points[0]
    var (x, y) = (0.0, 0.0)
    for (point, weight) in zip(points, weights) {
      x += weight * (point.x - origin.x)
      y += weight * (point.y - origin.y)
    }
    return GroundingPoint(x: origin.x + x, y: origin.y + y)
  }

  /// The weighted median of each coordinate: where half of the weight is reached, between two votes
  /// where it is reached exactly.
  static func median(_ points: [GroundingPoint], _ weights: [Double]) -> GroundingPoint {
    func median(_ value: (GroundingPoint) -> Double) -> Double {
      let order = points.indices.filter { weights[$0] > 0 }
        .sorted { value(points[$0]) < value(points[$1]) }
      var sum = 0.0
      for (rank, index) in order.enumerated() {
        sum += weights[index]
        guard sum > 0.5 - 1e-12 else { continue }
        let isBetween = sum < 0.5 + 1e-12 && rank + 1 < order.count
        let other = isBetween ? order[rank + 1] : index
        return (value(points[index]) + value(points[other])) / 2
      }
      return value(points[order[order.count - 1]])
    }
    return GroundingPoint(x: median(\.x), y: median(\.y))
  }
}
