import Federated
import Tensor
import TestSupport
import Testing

@Suite struct ByteLanguageTaskTests {
  /// Two texts: one of "abab…", one of "xyzxyz…".
  static func task() throws -> ByteLanguageTask {
    var configuration = ByteLanguageTask.Configuration()
    configuration.network.width = 16
    configuration.network.blockCount = 1
    configuration.network.headCount = 2
    configuration.network.hiddenWidth = 32
    configuration.network.contextLength = 12
    let texts = ["ab", "xyz"].map { unit in
      Array(String(repeating: unit, count: 1200 / unit.utf8.count).utf8)
    }
    return try ByteLanguageTask(name: "cycles", texts: texts, configuration)
  }

  @Test func windowsAreSharedOut() throws {
    let task = try Self.task()
    // 1199 predictions in each text: 99 windows of 12, of which every tenth is a test.
    #expect(task.trainingCount == 2 * 90 && task.testCount == 2 * 9)
    #expect(task.labels.count { $0 == 0 } == 90)
    let present = task.presentClasses([0, 1])
    #expect(present.indices.filter { present[$0] } == [97, 98])
    #expect(task.presentClasses([100]).count { $0 } == 3)
  }

  @Test func slicesOfHeadsFitAndLearn() throws {
    let task = try Self.task()
    let start = task.initialParameters(seed: 1)
    try task.model.check(start)
    let trainer = LocalTrainer(task)
    var settings = LocalTrainingSettings()
    settings.learningRate = 0.5
    settings.gradientNorm = 1
    settings.batchSize = 6
    settings.epochs = 2
    for rate in [Rate.one, Rate(1, of: 2)] {
      let local = try WidthSlicing(task.model).compress(start, plan: .slice(rate), seed: 0)
      let job = LocalJob(
        model: local,
        examples: allExamples(180),
        settings: settings,
        batches: .shuffled(Philox(seed: 1))
      )
      var trained = local
      trained.parameters = local.parameters.adding(try trainer.train(job).delta)
      let before = try trainer.evaluate(local, examples: allExamples(18), of: .test)
      let after = try trainer.evaluate(trained, examples: allExamples(18), of: .test)
      #expect(before.count == 18 * 12 && abs(before.loss - 5.5) < 0.3)
      #expect(after.loss < 1.5 && after.accuracy > 0.6, "\(rate): \(after.loss)")
    }
  }

  @Test func shortTextsAreRefused() {
    #expect(throws: FederatedTaskError.self) {
      try ByteLanguageTask(name: "short", texts: [[1, 2, 3]])
    }
    #expect(throws: FederatedTaskError.self) {
      try ByteLanguageTask(files: ["/nonexistent/text"])
    }
  }
}
