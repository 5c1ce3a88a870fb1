import Tensor

/// The area under the ROC curve: the chance that a novel score is above a normal one, ties a half.
///
///     AUROC = (R₁ − n₁(n₁ + 1)/2) / (n₁ n₀)        R₁: sum of the mean ranks of the novel scores
///
/// - Parameters:
///   - scores: one of each sample; higher is more novel.
///   - isNovel: whether each sample is novel.
/// - Returns: the area in [0, 1]; nil where one of the two kinds is missing.
/// - Complexity: O(n log n).
public func areaUnderROC(scores: [Float], isNovel: [Bool]) -> Double? {
  expect(
    scores.count == isNovel.count,
    "area under ROC: \(scores.count) scores for \(isNovel.count) labels"
  )
  let order = scores.indices.sorted { scores[$0] < scores[$1] }
  let novelCount = isNovel.count { $0 }
  let normalCount = scores.count - novelCount
  guard novelCount > 0, normalCount > 0 else { return nil }
  var rankSum = 0.0
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, scores[order[end]] == scores[order[start]] { end += 1 }
    let meanRank = Double(start + end + 1) / 2
    rankSum += meanRank * Double(order[start..<end].count { isNovel[$0] })
    start = end
  }
  let positives = Double(novelCount)
  return (rankSum - positives * (positives + 1) / 2) / (positives * Double(normalCount))
}
