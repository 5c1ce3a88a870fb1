import TestSupport
import Testing

/// Every file of the folder is run by some suite.
@Suite struct FixtureCoverage {
  /// AutogradConformance, LossFileConformance, LinearAlgebraConformance and NoveltyConformance, which
  /// run every case.
  static let run: Set = [
    "conv2d", "conv_transpose2d", "batch_norm", "losses", "svd_nuclear", "sym_eigen",
    "auroc", "ole", "ole_normalised", "oaae_trace", "scores",
  ]

  @Test func everyFileOfTheFolderIsKnown() {
    let suffix = ".safetensors"
    let files = Fixtures.names(in: "novelty", suffix: suffix).map { $0.dropLast(suffix.count) }
    #expect(Self.run.subtracting(files.map(String.init)) == [], "missing")
    #expect(Set(files.map(String.init)).subtracting(Self.run) == [], "not run")
  }
}
