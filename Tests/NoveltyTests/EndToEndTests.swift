import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// The small profile on real digits, within the bands of reference runs.
@Suite(
  .serialized,
  .enabled(if: DataFolder.has("images/mnist"), Comment(rawValue: skipDigits))
)
struct EndToEndTests {
  static let data = try? LabelledSamples(idxFolder: DataFolder.path("images/mnist"))

  private func metrics(
    _ configuration: OAAE.Configuration,
    leavingOut label: Int32
  ) throws -> (metrics: [String: NoveltyMetrics], report: FitReport) {
    let data = try #require(Self.data)
    let evaluation = NoveltyEvaluation(trainingLimit: 6_000, testLimit: 4_000)
    let fold = try evaluation.fold(for: label, of: data, seed: 0)
    let detector = OAAE(configuration)
    let report = try detector.fit(fold.normalData(of: data))
    let scores = try detector.allScores(of: data[fold.test])
    return (
      try scores.mapValues { try NoveltyMetrics(scores: $0, isNovel: fold.isNovel) }, report
    )
  }

  @Test(.timeLimit(.minutes(2))) func onesAndNinesAreFound() throws {
    for label in [1, 9] as [Int32] {
      let oaae = try metrics(.small(), leavingOut: label)
      print(label, oaae.metrics.mapValues(\.auroc), oaae.report.seconds, oaae.report.epochs.last!)
      let plain = try metrics(OAAE.Configuration.small().withoutPrior, leavingOut: label)
      print(label, plain.metrics.mapValues(\.auroc), plain.report.seconds)
    }
  }
}

private let skipDigits = DataFolder.skipMessage("images/mnist")

@Suite struct StepSpeed {
  @Test func steps() throws {
    let data = try LabelledSamples(idxFolder: DataFolder.path("images/mnist"))
    for (name, base) in [("small", OAAE.Configuration.small()), ("mlp", .perceptron()), ("conv16", .convolution(channels: 16))] {
      for configuration in [base, base.withoutPrior] {
        var c = configuration
        c.epochs = 1
        c.scores = [c.score]
        let n = name == "conv16" ? 1024 : 6000
        let detector = OAAE(c)
        let rows = Array(0..<n)
        let inputs = data[rows]
        let t0 = clock(); _ = try detector.fit(NormalData(inputs: inputs, labels: rows.map { data.labels[$0] })); let cpu = Double(clock() - t0) / 1e6
        let steps = n / c.batchSize
        print(name, c.score, "cpu ms/step with all", cpu * 1000 / Double(steps))
        if c.score == .angle {
          var best = 1e9
          for _ in 0..<3 {
            let t = clock()
            _ = try detector.scores(of: inputs)
            best = min(best, Double(clock() - t) / 1e6)
          }
          print("   images/s", Double(n) / best)
        }
      }
    }
  }
}
