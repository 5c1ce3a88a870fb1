import TestSupport
import Testing

/// Every file of the folder is run by some suite, or is listed here with what it waits for.
@Suite struct FixtureCoverage {
  /// AutogradConformance, LossFileConformance and LinearAlgebraConformance, which run every case.
  static let run: Set = [
    "conv2d", "conv_transpose2d", "batch_norm", "losses", "svd_nuclear", "sym_eigen",
  ]
  /// Scores, curves and the orthogonal embedding loss, which no module computes yet.
  static let waiting: Set = ["auroc", "ole", "ole_normalised", "oaae_trace", "scores"]

  @Test func everyFileOfTheFolderIsKnown() {
    let suffix = ".safetensors"
    let files = Fixtures.names(in: "novelty", suffix: suffix).map { $0.dropLast(suffix.count) }
    #expect(Self.run.subtracting(files.map(String.init)) == [], "missing")
    #expect(Set(files.map(String.init)).subtracting(Self.run.union(Self.waiting)) == [], "not run")
  }
}
