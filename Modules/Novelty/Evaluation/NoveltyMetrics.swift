/// How well scores tell novel samples from normal ones.
public struct NoveltyMetrics: Codable, Hashable, Sendable {
  /// The area under the ROC curve, and its interval.
  public var area: DeLongInterval
  /// Average precision, the sum of steps.
  public var averagePrecision: Double
  /// The area under precision over recall by trapezoids.
  public var trapezoidArea: Double
  /// The false positive rate where 95 % of the novel samples are found.
  public var falsePositiveRateAt95: Double
  /// The normal samples.
  public var normalCount: Int
  /// The novel samples.
  public var novelCount: Int

  /// The metrics of scores.
  ///
  /// - Parameters:
  ///   - scores: one of each sample; higher is more novel.
  ///   - isNovel: whether each sample is novel.
  /// - Throws: `NoveltyError.singleKind` or `.notFinite`.
  public init(scores: [Float], isNovel: [Bool]) throws(NoveltyError) {
    area = try DeLongInterval(scores: scores, isNovel: isNovel)
    let curve = try PrecisionRecallCurve(scores: scores, isNovel: isNovel)
    averagePrecision = curve.averagePrecision
    trapezoidArea = curve.trapezoidArea
    falsePositiveRateAt95 = try ROCCurve(scores: scores, isNovel: isNovel)
      .falsePositiveRate(atTruePositiveRate: 0.95)
    novelCount = isNovel.count { $0 }
    normalCount = isNovel.count - novelCount
  }

  /// The area under the ROC curve.
  public var auroc: Double { area.area }
}
