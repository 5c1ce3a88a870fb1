import PointCloud
import Testing

/// Changed files of every reader end in a typed error or in a scan that is sound.
@Suite struct PointFileFuzzTests {
  @Test(.timeLimit(.minutes(FuzzBudget.current.minutes)), arguments: FuzzTarget.all)
  func changedFilesAreRefusedOrRead(_ target: FuzzTarget) throws {
    var campaign = FuzzCampaign(target, seed: FuzzBudget.current.seed)
    try campaign.run(.current)
    if FuzzBudget.current.seconds != nil {
      print(
        "\(target.name): \(campaign.readings) read, \(campaign.refusals) refused, "
          + "\(campaign.outcomeCount) outcomes"
      )
    }
    #expect(campaign.refusals > 0 && campaign.readings > 0)
    #expect(campaign.outcomeCount > 1, "nothing but \(campaign.outcomeCount) outcomes")
  }

  /// No reader is left out: a format that is added needs a target.
  @Test func everyFormatHasATarget() throws {
    var found: Set<PointFileFormat> = []
    for target in FuzzTarget.all {
      for seed in target.seeds {
        try PointSample.with(seed, target.name) { path in
          if let format = try? PointFileFormat.detected(at: path) { found.insert(format) }
        }
      }
    }
    #expect(found == Set(PointFileFormat.allCases))
  }
}
