import Tensor

/// The true positive rate over the false positive rate, for every threshold.
///
/// Positive means novel; a sample is called novel when its score is at least the threshold. The
/// first point is (0, 0), then comes one for each distinct score, largest first, to (1, 1); none is
/// left out.
///
/// - Source: scikit-learn's `roc_curve` with `drop_intermediate=False`.
public struct ROCCurve: Codable, Hashable, Sendable {
  /// The share of normal samples that are called novel, ascending.
  public let falsePositiveRates: [Double]
  /// The share of novel samples that are called novel, ascending.
  public let truePositiveRates: [Double]
  /// The score that a sample must reach; infinite for the first point.
  public let thresholds: [Float]

  /// The curve of scores.
  ///
  /// - Parameters:
  ///   - scores: one of each sample; higher is more novel.
  ///   - isNovel: whether each sample is novel.
  /// - Throws: `NoveltyError.singleKind` or `.notFinite`.
  /// - Complexity: O(n log n).
  public init(scores: [Float], isNovel: [Bool]) throws(NoveltyError) {
    let counts = try ThresholdCounts(scores, isNovel)
    thresholds = [.infinity] + counts.thresholds
    falsePositiveRates = [0] + counts.falsePositives.map { Double($0) / counts.normals }
    truePositiveRates = [0] + counts.truePositives.map { Double($0) / counts.novels }
  }

  /// The smallest false positive rate at which the true positive rate reaches a share.
  public func falsePositiveRate(atTruePositiveRate share: Double) -> Double {
    let index = truePositiveRates.firstIndex { $0 >= share - 1e-12 }
    return falsePositiveRates[index ?? falsePositiveRates.count - 1]
  }

  /// The area under the curve by trapezoids, which is `areaUnderROC`.
  public var area: Double {
    zip(falsePositiveRates.indices.dropFirst(), falsePositiveRates.indices).reduce(0) { sum, pair in
      let width = falsePositiveRates[pair.0] - falsePositiveRates[pair.1]
      return sum + width * (truePositiveRates[pair.0] + truePositiveRates[pair.1]) / 2
    }
  }
}

/// Precision over recall, for every threshold.
///
/// The first point is (0, 1), then comes one for each distinct score, largest first.
public struct PrecisionRecallCurve: Codable, Hashable, Sendable {
  /// The share of novel samples among those that are called novel.
  public let precisions: [Double]
  /// The share of novel samples that are called novel, ascending.
  public let recalls: [Double]

  /// The curve of scores; see `ROCCurve`.
  ///
  /// - Parameters:
  ///   - scores: one of each sample; higher is more novel.
  ///   - isNovel: whether each sample is novel.
  /// - Throws: `NoveltyError.singleKind` or `.notFinite`.
  public init(scores: [Float], isNovel: [Bool]) throws(NoveltyError) {
    let counts = try ThresholdCounts(scores, isNovel)
    precisions =
      [1]
      + zip(counts.truePositives, counts.falsePositives).map { Double($0) / Double($0 + $1) }
    recalls = [0] + counts.truePositives.map { Double($0) / counts.novels }
  }

  /// Σ (R_k − R_{k−1}) · P_k: average precision.
  public var averagePrecision: Double {
    recalls.indices.dropFirst().reduce(0) { sum, k in
      sum + (recalls[k] - recalls[k - 1]) * precisions[k]
    }
  }

  /// Σ (R_k − R_{k−1}) · (P_k + P_{k−1}) / 2: another number than average precision.
  public var trapezoidArea: Double {
    recalls.indices.dropFirst().reduce(0) { sum, k in
      sum + (recalls[k] - recalls[k - 1]) * (precisions[k] + precisions[k - 1]) / 2
    }
  }
}

/// How many samples of each kind reach each distinct score, largest first.
private struct ThresholdCounts {
  var thresholds: [Float] = []
  var truePositives: [Int] = []
  var falsePositives: [Int] = []

  var novels: Double { Double(truePositives.last ?? 0) }
  var normals: Double { Double(falsePositives.last ?? 0) }

  init(_ scores: [Float], _ isNovel: [Bool]) throws(NoveltyError) {
    try checkEvaluation("curve", scores, isNovel)
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    var (novel, normal) = (0, 0)
    for (place, index) in order.enumerated() {
      if isNovel[index] { novel += 1 } else { normal += 1 }
      let isLast = place + 1 == order.count || scores[order[place + 1]] < scores[index]
      guard isLast else { continue }
      thresholds.append(scores[index])
      truePositives.append(novel)
      falsePositives.append(normal)
    }
  }
}

/// Throws unless there are finite scores of both kinds.
func checkEvaluation(
  _ operation: String,
  _ scores: [Float],
  _ isNovel: [Bool]
) throws(NoveltyError) {
  expect(
    scores.count == isNovel.count,
    "\(operation): \(scores.count) scores for \(isNovel.count) labels"
  )
  if let row = scores.firstIndex(where: { !$0.isFinite }) {
    throw .notFinite(operation: operation, row: row)
  }
  guard isNovel.contains(true) else { throw .singleKind(operation: operation, isNovel: true) }
  guard isNovel.contains(false) else { throw .singleKind(operation: operation, isNovel: false) }
}
