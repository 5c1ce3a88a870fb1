/// What a benchmark found.
public struct NoveltyReport: Codable, Hashable, Sendable {
  /// How samples were chosen.
  public var evaluation: NoveltyEvaluation
  /// One result for each method, class and seed.
  public var results: [NoveltyResult]

  /// The methods, in the order of the benchmark.
  public var methods: [String] {
    results.map(\.method).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The mean AUROC of each score of a method over classes and seeds.
  public func meanAUROC(of method: String) -> [String: Double] {
    let own = results.filter { $0.method == method }
    var means: [String: Double] = [:]
    for score in Set(own.flatMap(\.metrics.keys)) {
      let values = own.compactMap { $0.metrics[score]?.auroc }
      means[score] = values.reduce(0, +) / Double(values.count)
    }
    return means
  }

  /// The mean AUROC of a method's score by class, over seeds.
  public func aurocByClass(of method: String, score: String) -> [Int32: Double] {
    var values: [Int32: [Double]] = [:]
    for result in results where result.method == method {
      if let area = result.metrics[score]?.auroc { values[result.label, default: []].append(area) }
    }
    return values.mapValues { $0.reduce(0, +) / Double($0.count) }
  }
}

/// What one method did for one class and seed.
public struct NoveltyResult: Codable, Hashable, Sendable {
  /// The method's name in the benchmark.
  public var method: String
  /// The class.
  public var label: Int32
  /// The seed of the split and of the method.
  public var seed: UInt64
  /// The metrics of each of the method's scores.
  public var metrics: [String: NoveltyMetrics]
  /// The training samples.
  public var trainingCount: Int
  /// What the fit did, its last epoch only.
  public var fit: FitReport
  /// The epochs of the fit; 0 for methods without any.
  public var epochCount: Int
  /// The test samples that were scored in a second, by all scores together.
  public var samplesPerSecond: Double
}
