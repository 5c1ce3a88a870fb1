import Autograd
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite(.enabled(if: DataFolder.has("gui"), "\(DataFolder.skipMessage("gui"))"))
struct RenderedPageTrainingTests {
  private func pages() throws -> GroundingExamples {
    let path = DataFolder.path("gui/elements.jsonl")
    return .rows(of: try GroundingDataset.load(path, layout: .native), split: "train")
  }

  private func policy() -> NativeGroundingPolicy {
    smallPolicy {
      $0.instruction = .bytes()
      $0.vocabulary = GroundingVocabulary(thinking: .places)
      $0.view = PixelSize(width: 128, height: 80)
    }
  }

  @Test func everyStageRunsOnRealPagesAndTheirTexts() throws {
    try withTemporaryFolder { folder in
      let pages = try pages()
      #expect(pages.count > 100)
      let policy = policy()
      var warmUp = SupervisedTrainingOptions(steps: 40, seed: 1)
      warmUp.batchSize = 8
      warmUp.rate.peak = 1e-2
      var losses: [Double] = []
      try SupervisedTraining(at: folder + "/0", of: policy, on: pages[0..<40], warmUp).run {
        losses.append($0.metrics["loss"] ?? 0)
      }
      #expect(losses[39] < losses[0] / 2)
      var rewards = ReinforcementOptions(steps: 2, seed: 1)
      rewards.promptCount = 4
      let report = try ReinforcementTraining(
        at: folder + "/1",
        of: policy,
        on: pages,
        rewards
      ).run()
      #expect(report.step == 2 && report.metrics["reward"] != nil)
      let accuracy = try policy.accuracy(on: pages[0..<20], samples: 2, crop: ConsistencyCrop())
      #expect(accuracy.count == 20 && accuracy.sampled != nil)
    }
  }

  @Test func aScreenshotIsReadOnceForItsRows() throws {
    let pages = try pages()
    let (first, second) = (try pages.example(0), try pages.example(1))
    let crop = ConsistencyCrop()
    var generator = Philox(seed: 1)
    for example in [first, second] {
      let box = try #require(example.target.boundingBox)
      let rect = crop(around: box, in: example.image.size, using: &generator)
      #expect(rect.isInside(example.image.size))
      #expect(GroundingBox(rect).contains(box))
    }
  }
}
