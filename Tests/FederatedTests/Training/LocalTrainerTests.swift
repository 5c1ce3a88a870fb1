import Autograd
import Federated
import Tensor
import TestSupport
import Testing

@Suite struct LocalTrainerTests {
  /// Settings that each turn one rule on.
  static let rules: [LocalTrainingSettings] = {
    var list = [LocalTrainingSettings()]
    func add(_ change: (inout LocalTrainingSettings) -> Void) {
      var settings = LocalTrainingSettings()
      settings.learningRate = 0.2
      settings.batchSize = 7
      settings.epochs = 2
      change(&settings)
      list.append(settings)
    }
    add { _ in }
    add { $0.momentum = 0.9 }
    add { $0.weightDecay = 0.1 }
    add { $0.proximal = 0.7 }
    add { $0.gradientNorm = 0.05 }
    add { $0.masksAbsentClasses = true }
    add {
      $0.momentum = 0.5
      $0.weightDecay = 0.05
      $0.proximal = 0.3
      $0.gradientNorm = 0.2
    }
    return list
  }()

  @Test(arguments: rules)
  func descentFollowsItsDefinition(settings: LocalTrainingSettings) throws {
    // 25 examples in batches of 7: the last one is short. Class 3 of 4 never occurs.
    let drawn = VectorTask.random(count: 25)
    let task = VectorTask(inputs: drawn.inputs, labels: drawn.labels, classCount: 4)
    let start = task.initialParameters(seed: 3)
    let update = try LocalTrainer(task).train(
      LocalJob(
        model: LocalModel(whole: start),
        examples: allExamples(25),
        settings: settings,
        batches: .inOrder
      )
    )
    var present = [1.0, 1, 1, 1]
    if settings.masksAbsentClasses {
      present = (0..<4).map { task.labels.contains(Int32($0)) ? 1 : 0 }
    }
    var plain = PlainDescent(start, task, settings, present: present)
    expectClose(update.delta.flat, plain.run(), relative: 1e-4, absolute: 2e-6)
    #expect(update.stepCount == settings.epochs * ((25 + settings.batchSize - 1) / settings.batchSize))
    #expect(update.exampleCount == 25)
  }

  @Test func absentClassesTakeNoGradient() throws {
    let drawn = VectorTask.random(count: 20)
    let task = VectorTask(inputs: drawn.inputs, labels: drawn.labels, classCount: 5)
    var settings = LocalTrainingSettings()
    settings.masksAbsentClasses = true
    let update = try LocalTrainer(task).train(
      LocalJob(
        model: LocalModel(whole: task.initialParameters(seed: 1)),
        examples: allExamples(20),
        settings: settings,
        batches: .inOrder
      )
    )
    let rows = try #require(update.delta["layers.0.weight"])
    #expect(rows[3].elements.allSatisfy { $0 == 0 } && rows[4].elements.allSatisfy { $0 == 0 })
    #expect(rows[0].elements.contains { $0 != 0 })
  }

  @Test func theFullGradientIsTheMeanOverAllExamples() throws {
    // More examples than one pass holds.
    let task = VectorTask.random(count: 300)
    let start = task.initialParameters(seed: 5)
    var settings = LocalTrainingSettings()
    settings.method = .gradient
    let job = LocalJob(
      model: LocalModel(whole: start),
      examples: allExamples(300),
      settings: settings,
      batches: .inOrder
    )
    let update = try LocalTrainer(task).train(job)
    let plain = PlainDescent(start, task, settings, present: [1, 1, 1]).gradient(allExamples(300))
    let expected = (plain.weight.flatMap { $0 } + plain.bias).map { Float(-$0) }
    expectClose(update.delta.flat, expected, relative: 1e-4, absolute: 1e-6)
    #expect(update.stepCount == 1)
  }

  @Test func aTimeBoxStopsAndTellsItsSteps() throws {
    let task = VectorTask.random(count: 40)
    var settings = LocalTrainingSettings()
    settings.batchSize = 4
    var job = LocalJob(
      model: LocalModel(whole: task.initialParameters(seed: 2)),
      examples: allExamples(40),
      settings: settings,
      batches: .inOrder,
      stepLimit: 3
    )
    let trainer = LocalTrainer(task)
    let boxed = try trainer.train(job)
    #expect(boxed.stepCount == 3)
    job.stepLimit = nil
    let stopped = try trainer.train(job) { $0 == 3 }
    #expect(stopped.delta == boxed.delta && stopped.stepCount == 3)
    job.stepLimit = 0
    #expect(try trainer.train(job).delta.norm == 0)
  }

  @Test func aJobGivesTheSameBitsWhateverTheTrainerDidBefore() throws {
    let task = VectorTask.random(count: 30, hidden: [8])
    let start = task.initialParameters(seed: 1)
    let slicing = WidthSlicing(task.model)
    func job(_ rate: Rate) throws -> LocalJob {
      var settings = LocalTrainingSettings()
      settings.momentum = 0.9
      return LocalJob(
        model: try slicing.compress(start, plan: .slice(rate), seed: 0),
        examples: allExamples(30),
        settings: settings,
        batches: .shuffled(Philox(seed: 9))
      )
    }
    let used = LocalTrainer(task)
    for rate in Rate.levels.prefix(3) { _ = try used.train(job(rate)) }
    #expect(try used.train(job(.one)).delta == LocalTrainer(task).train(job(.one)).delta)
  }

  @Test func examplesOutsideTheTaskAreRefused() throws {
    let task = VectorTask.random(count: 5)
    let job = LocalJob(
      model: LocalModel(whole: task.initialParameters(seed: 0)),
      examples: [2, 5],
      batches: .inOrder
    )
    #expect(throws: LocalTrainingError.example(5, count: 5)) { try LocalTrainer(task).train(job) }
  }
}
