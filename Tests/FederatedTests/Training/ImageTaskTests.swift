import Checkpoints
import Federated
import Tensor
import TestSupport
import Testing

@Suite struct ImageTaskTests {
  /// Images of 8 × 8 whose class is the quarter that is bright.
  static func images(_ count: Int, seed: UInt64) -> (pixels: Tensor<UInt8>, labels: [Int32]) {
    var generator = Philox(seed: seed)
    let labels = (0..<count).map { Int32($0 % 4) }
    var pixels: [UInt8] = []
    for label in labels {
      for row in 0..<8 {
        for column in 0..<8 {
          let isBright = row / 4 == Int(label) / 2 && column / 4 == Int(label) % 2
          pixels.append(UInt8(generator.integer(below: 100) + (isBright ? 120 : 0)))
        }
      }
    }
    return (Tensor(pixels, shape: [count, 8, 8]), labels)
  }

  static func task(_ network: ImageNetwork) throws -> ImageTask {
    var configuration = ImageTask.Configuration()
    configuration.network = network
    configuration.classCount = 4
    return try ImageTask(
      name: "quarters",
      training: images(160, seed: 1),
      test: images(80, seed: 2),
      configuration
    )
  }

  static let networks: [ImageNetwork] = [
    .perceptron(hidden: [16, 8]),
    .convolutional(channels: [4, 8], norm: .none),
    .convolutional(channels: [4, 8], norm: .group(2)),
    .convolutional(channels: [4, 8], norm: .staticBatch),
  ]

  @Test(arguments: networks)
  func networksFitTheirDescriptionAtEveryWidth(network: ImageNetwork) throws {
    let task = try Self.task(network)
    let start = task.initialParameters(seed: 1)
    try task.model.check(start)
    let trainer = LocalTrainer(task)
    for rate in Rate.levels {
      let local = try WidthSlicing(task.model).compress(start, plan: .slice(rate), seed: 0)
      let found = try trainer.evaluate(
        local,
        examples: allExamples(80),
        of: .test,
        queryExamples: allExamples(160)
      )
      #expect(found.count == 80 && found.loss.isFinite && found.loss < 5)
    }
  }

  @Test(arguments: networks)
  func trainingLearnsTheQuarters(network: ImageNetwork) throws {
    let task = try Self.task(network)
    let start = task.initialParameters(seed: 1)
    var settings = LocalTrainingSettings()
    settings.epochs = 12
    settings.batchSize = 16
    settings.learningRate = 0.1
    settings.scalesActivations = true
    let half = try WidthSlicing(task.model).compress(
      start,
      plan: .slice(Rate(1, of: 2)),
      seed: 0
    )
    let trainer = LocalTrainer(task)
    for local in [LocalModel(whole: start), half] {
      let job = LocalJob(
        model: local,
        examples: allExamples(160),
        settings: settings,
        batches: .shuffled(Philox(seed: 4))
      )
      var trained = local
      // In training the slice was twice as active.
      trained.parameters = local.parameters.adding(try trainer.train(job).delta)
      func accuracy(_ model: LocalModel) throws -> Double {
        try trainer.evaluate(
          model,
          examples: allExamples(80),
          of: .test,
          queryExamples: allExamples(160)
        ).accuracy
      }
      #expect(try accuracy(trained) > max(0.6, accuracy(local)), "\(network) \(local.plan)")
    }
  }

  @Test func aQueryOfOneBatchGivesThatBatchsStatistics() throws {
    let task = try Self.task(.convolutional(channels: [4], norm: .staticBatch))
    let local = LocalModel(whole: task.initialParameters(seed: 3))
    let trainer = LocalTrainer(task)
    // All 160 examples are one batch, and training uses its own statistics: a rate of 0 leaves the
    // model, and tells the loss with them.
    var settings = LocalTrainingSettings()
    settings.learningRate = 0
    settings.batchSize = 160
    let update = try trainer.train(
      LocalJob(
        model: local,
        examples: allExamples(160),
        settings: settings,
        batches: .inOrder
      )
    )
    let queried = try trainer.evaluate(
      local,
      examples: allExamples(160),
      of: .training,
      queryExamples: allExamples(160)
    )
    let expected = try #require(update.loss)
    #expect(abs(queried.loss - expected) < 1e-5)
    let unqueried = try trainer.evaluate(
      local,
      examples: allExamples(160),
      of: .training,
      queryExamples: allExamples(20)
    )
    #expect(abs(unqueried.loss - expected) > 1e-5)
  }

  @Test func filesAreReadAndMissingOnesAreNamed() throws {
    try withTemporaryFolder { folder in
      #expect(throws: FederatedTaskError.self) { try ImageTask(folder: folder) }
      for (prefix, seed) in [("train", 1), ("t10k", 2)] as [(String, UInt64)] {
        let (pixels, labels) = Self.images(12, seed: seed)
        let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 8]
        try AtomicFile.write(header + pixels.elements, to: "\(folder)/\(prefix)-images-idx3-ubyte")
        let short: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 12]
        try AtomicFile.write(
          short + labels.map { UInt8($0) },
          to: "\(folder)/\(prefix)-labels-idx1-ubyte"
        )
      }
      var configuration = ImageTask.Configuration()
      configuration.trainingLimit = 10
      let task = try ImageTask(folder: folder, configuration)
      #expect(task.trainingCount == 10 && task.testCount == 12)
      configuration.trainingLimit = 13
      #expect(throws: FederatedTaskError.settings("13 images are wanted, there are 12")) {
        try ImageTask(folder: folder, configuration)
      }
    }
  }

  @Test func shapesOfNoNetworkAreRefused() throws {
    for network in Self.networks {
      let task = try Self.task(network)
      var shapes: [String: Shape] = [:]
      for (name, shape) in task.initialParameters(seed: 1).shapes { shapes[name] = shape }
      _ = try task.makeNetwork(shapes: shapes)
      for name in shapes.keys.filter({ $0.hasSuffix("weight") }) {
        var wrong = shapes
        wrong[name] = [3, 5]
        #expect(throws: FederatedTaskError.self) { _ = try task.makeNetwork(shapes: wrong) }
      }
      #expect(throws: FederatedTaskError.self) { _ = try task.makeNetwork(shapes: [:]) }
    }
  }

  @Test(
    .enabled(
      if: DataFolder.has("images/mnist"),
      Comment(rawValue: DataFolder.skipMessage("images/mnist"))
    )
  )
  func aFewRoundsLearnDigits() throws {
    var configuration = ImageTask.Configuration()
    configuration.trainingLimit = 2000
    configuration.testLimit = 1000
    let task = try ImageTask(folder: DataFolder.path("images/mnist"), configuration)
    var simulation = SimulationConfiguration()
    simulation.roundCount = 6
    simulation.planning = .fixed([.full, .slice(Rate(1, of: 2)), .slice(Rate(1, of: 4))])
    simulation.training.epochs = 2
    simulation.rounds.overSampling = 1
    simulation.measuring.testInterval = 6
    let report = try FederatedSimulation(task, simulation, seed: 1).run()
    #expect(try #require(report.finalAccuracy) > 0.7)
    // A third of the devices hold everything, a third half of each hidden layer, a third a quarter.
    #expect(report.rounds.allSatisfy { (3...4).contains($0.coverage.minimum) })
  }
}
