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

  private func run(
    _ configuration: OAAE.Configuration,
    leavingOut label: Int32
  ) throws -> (areas: [String: Double], geometry: LatentGeometry?) {
    let data = try #require(Self.data)
    let evaluation = NoveltyEvaluation(trainingLimit: 6_000, testLimit: 4_000)
    let fold = try evaluation.fold(for: label, of: data, seed: 0)
    #expect(fold.training.count == 6_000 && fold.test.count == 4_000)
    let detector = OAAE(configuration)
    let report = try detector.fit(fold.normalData(of: data))
    #expect(report.ending == .finished)
    let scores = try detector.allScores(of: data[fold.test])
    let areas = try scores.mapValues {
      try #require(areaUnderROC(scores: $0, isNovel: fold.isNovel))
    }
    return (areas, report.epochs.last?.geometry)
  }

  /// Reference runs: angle .943 and .811, cos .18; plain autoencoder's reconstruction .435 and .591.
  @Test(.timeLimit(.minutes(10))) func orthogonalLatentsFindOnesAndNines() throws {
    var plainSettings = OAAE.Configuration.small().withoutPrior
    (plainSettings.score, plainSettings.scores) = (.angle, [.angle, .reconstruction])
    var settings = OAAE.Configuration.small()
    settings.scores = [.angle, .subspace, .combined]
    var (angles, plainAngles, errors) = (0.0, 0.0, 0.0)
    for label in [1, 9] as [Int32] {
      let (areas, geometry) = try run(settings, leavingOut: label)
      let plain = try run(plainSettings, leavingOut: label).areas
      let angle = try #require(areas["angle"])
      #expect(angle >= (label == 1 ? 0.85 : 0.75))
      #expect(try #require(geometry?.meanAbsoluteCosine) <= 0.25)
      #expect(try #require(geometry?.rank90) <= 9)
      angles += angle / 2
      plainAngles += try #require(plain["angle"]) / 2
      errors += try #require(plain["reconstruction"]) / 2
    }
    #expect(angles >= 0.83)
    #expect(angles - plainAngles >= 0.12)
    #expect(errors <= 0.6)
  }
}

private let skipDigits = DataFolder.skipMessage("images/mnist")
