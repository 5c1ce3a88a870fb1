import Tensor

/// An interval that holds the true area under the ROC curve with about 95 % confidence.
///
///     Var = s₁₀ / n₁ + s₀₁ / n₀        area ± 1.96 · √Var, within [0, 1]
///
/// s₁₀ and s₀₁ are the variances of the placements: for each novel score the share of normal ones
/// below it (ties a half), for each normal score the share of novel ones above it.
///
/// - Source: DeLong, DeLong and Clarke-Pearson 1988; placements by ranks as Sun and Xu 2014.
public struct DeLongInterval: Codable, Hashable, Sendable {
  /// The area.
  public let area: Double
  /// The standard deviation of the area; 0 where a kind has one sample.
  public let standardError: Double
  /// The lower end.
  public let lower: Double
  /// The upper end.
  public let upper: Double

  /// The interval of scores.
  ///
  /// - Parameters:
  ///   - scores: one of each sample; higher is more novel.
  ///   - isNovel: whether each sample is novel.
  /// - Throws: `NoveltyError.singleKind` or `.notFinite`.
  /// - Complexity: O(n log n).
  public init(scores: [Float], isNovel: [Bool]) throws(NoveltyError) {
    try checkEvaluation("DeLong interval", scores, isNovel)
    let all = meanRanks(scores)
    let novels = scores.indices.filter { isNovel[$0] }
    let normals = scores.indices.filter { !isNovel[$0] }
    let novelRanks = meanRanks(novels.map { scores[$0] })
    let normalRanks = meanRanks(normals.map { scores[$0] })
    let (n1, n0) = (Double(novels.count), Double(normals.count))
    let v10 = zip(novels, novelRanks).map { (all[$0] - $1) / n0 }
    let v01 = zip(normals, normalRanks).map { 1 - (all[$0] - $1) / n1 }
    area = v10.reduce(0, +) / n1
    let error = (variance(v10) / n1 + variance(v01) / n0).squareRoot()
    standardError = error
    lower = max(0, area - 1.959964 * error)
    upper = min(1, area + 1.959964 * error)
  }
}

private func variance(_ values: [Double]) -> Double {
  guard values.count > 1 else { return 0 }
  let mean = values.reduce(0, +) / Double(values.count)
  return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
}

/// The rank of each score from 1 on, ties sharing their mean.
private func meanRanks(_ scores: [Float]) -> [Double] {
  let order = scores.indices.sorted { scores[$0] < scores[$1] }
  var ranks = [Double](repeating: 0, count: scores.count)
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, scores[order[end]] == scores[order[start]] { end += 1 }
    for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
    start = end
  }
  return ranks
}
