import Autograd
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct ConsistencyTrainingTests {
  private func options(
    _ change: (inout ConsistencyOptions) -> Void = { _ in }
  ) -> ConsistencyOptions {
    var options = ConsistencyOptions(steps: 4, seed: 4)
    options.promptCount = 3
    options.settings.groupSize = 4
    options.checkpointInterval = 1
    change(&options)
    return options
  }

  @Test(arguments: [ConsistencyMode.pairedSFT, .jointReward], [1, 3])
  func aRunThatIsStoppedGoesOnWithTheSameNumbers(_ mode: ConsistencyMode, _ stop: Int) throws {
    try withTemporaryFolder { folder in
      let pages = easyPages(30, seed: 5)
      func training(_ name: String, _ policy: NativeGroundingPolicy) -> ConsistencyTraining {
        ConsistencyTraining(at: folder + name, of: policy, on: pages, options { $0.mode = mode })
      }
      let whole = try warmPolicy()
      try training("/a", whole).run()
      var first = training("/b", try warmPolicy())
      var asked = 0
      first.shouldStop = {
        asked += 1
        return asked > stop
      }
      #expect(try first.run()?.step == stop)
      // The frozen policy is that of the folder, not the one that is handed in.
      let resumed = coldPolicy(seed: 7)
      let report = try training("/b", resumed).run()
      #expect(report?.resumedFrom == stop && report?.step == 4)
      #expect(resumed.state() == whole.state())
      #expect(resumed.state() != warmState)
      #expect(try loggedLosses(folder + "/a") == loggedLosses(folder + "/b"))
    }
  }

  @Test func offDoesNothing() throws {
    let policy = smallPolicy()
    let pages = GroundingExamples.synthetic(1, seed: 1)
    let training = ConsistencyTraining(
      at: "/nowhere",
      of: policy,
      on: pages,
      options { $0.mode = .off }
    )
    #expect(try training.run() == nil)
    #expect(policy.state() == smallPolicy().state())
  }

  @Test func aPolicyThatSolvesNothingIsTold() throws {
    try withTemporaryFolder { folder in
      let pages = GroundingExamples.synthetic(9, seed: 1)
      let training = ConsistencyTraining(at: folder, of: smallPolicy(), on: pages, options())
      do {
        try training.run()
        Issue.record("the run ended")
      } catch TrainingError.failed(let step, let error) {
        #expect(step == 1)
        #expect("\(error)".contains("solves none of 150 examples"))
      }
    }
  }

  @Test func cropsHoldTheBoxAndLieInThePicture() {
    var generator = Philox(seed: 1)
    let crop = ConsistencyCrop()
    let size = PixelSize(width: 192, height: 160)
    var widths: Set<Int> = []
    for index in 0..<2000 {
      let page = SyntheticPage(index: index % 50, seed: 1)
      var box = page.box
      (box.y0, box.y1) = (box.y0 * 160 / 192, box.y1 * 160 / 192)
      let rect = crop(around: box, in: size, using: &generator)
      #expect(rect.isInside(size))
      #expect(GroundingBox(rect).contains(box))
      #expect((72...150).contains(rect.width) && (60...125).contains(rect.height))
      widths.insert(rect.width)
    }
    #expect(widths.count > 70)
    let all = GroundingBox(x0: 0, y0: 0, x1: 192, y1: 160)
    #expect(crop(around: all, in: size, using: &generator) == size.bounds)
  }

  @Test func localViewsAnswerTheSamePlace() throws {
    let policy = smallPolicy()
    let example = try GroundingExamples.synthetic(1, seed: 1).example(0)
    var generator = Philox(seed: 3)
    let center = try #require(example.target.center)
    let box = try #require(example.target.boundingBox)
    for _ in 0..<50 {
      let rect = ConsistencyCrop()(around: box, in: example.image.size, using: &generator)
      let view = PromptView(example, crop: rect, for: policy)
      let tokens = try PromptBatch([view], for: policy).centerResponses(of: policy).elements
      let point = try #require(policy.configuration.vocabulary.point(tokens))
      let found = view.transform.toImage(GroundingPoint(x: point.x * 64, y: point.y * 64))
      // Half a bin of 1/32 of the crop.
      #expect(abs(found.x - center.x) <= Double(rect.width) / 64 + 1e-9)
      #expect(abs(found.y - center.y) <= Double(rect.height) / 64 + 1e-9)
    }
  }

  @Test func badOptionsAreRefused() throws {
    let pages = GroundingExamples.synthetic(9, seed: 1)
    let changes: [(inout ConsistencyOptions) -> Void] = [
      { $0.candidates = 0 }, { $0.crop = ConsistencyCrop(least: 0.9, largest: 0.5) },
      { ($0.mode, $0.settings.groupSize) = (.jointReward, 5) }, { $0.temperature = .infinity },
      { $0.promptCount = 0 }, { $0.maximumGradientNorm = 0 },
    ]
    for change in changes {
      #expect(throws: GroundingTrainingError.self) {
        try ConsistencyTraining(
          at: "/nowhere",
          of: smallPolicy(),
          on: pages,
          options(change)
        ).run()
      }
    }
  }
}
