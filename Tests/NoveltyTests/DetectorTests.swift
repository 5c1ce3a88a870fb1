import Novelty
import Tensor
import TestSupport
import Testing

/// What every detector must do.
@Suite struct DetectorTests {
  static let choices: [DetectorChoice] = [
    .oaae(Blobs.settings), .oaae(Blobs.settings.withoutEmbedding),
    .oaae(Blobs.settings.withoutPrior),
    .deepSVDD(
      {
        var settings = DeepSVDD.Configuration()
        (settings.hiddenWidths, settings.latentWidth, settings.epochs) = ([16, 12], 8, 10)
        (settings.batchSize, settings.scaling) = (48, .standardized)
        return settings
      }()
    ),
    .ocgan(
      {
        var settings = OCGAN.Configuration()
        (settings.hiddenWidths, settings.latentWidth, settings.epochs) = ([16, 12], 6, 20)
        (settings.discriminatorWidths, settings.visualWidths) = ([8], [8])
        (settings.batchSize, settings.learningRate) = (48, 5e-3)
        return settings
      }()
    ),
    .nearestNeighbours(.init()), .mahalanobis(.init()), .principalComponents(.init()),
    .isolationForest(.init()),
    .latentNearestNeighbours(.init(autoencoder: Blobs.settings, detector: .init())),
    .latentMahalanobis(.init(autoencoder: Blobs.settings, detector: .init())),
  ]

  /// Vectors all over the cube are far from three tight clusters.
  @Test(arguments: choices) func novelVectorsScoreHigher(choice: DetectorChoice) throws {
    let blobs = Blobs()
    var choice = choice
    if case .oaae(var settings) = choice {
      settings.epochs = 60
      choice = .oaae(settings)
    }
    let detector = choice.makeDetector(seed: 4)
    let report = try detector.fit(blobs.data)
    #expect(report.ending != .interrupted)
    #expect(try blobs.area(detector) > 0.95)
  }

  @Test(arguments: choices) func filesGiveTheSameDetector(choice: DetectorChoice) throws {
    let blobs = Blobs()
    let detector = choice.makeDetector()
    try detector.fit(blobs.data)
    try detector.calibrate(on: blobs.heldBack, rule: .falsePositiveRate(0.1))
    try withTemporaryFolder { folder in
      let path = folder + "/detector.safetensors"
      try detector.save(to: path)
      let loaded = try noveltyDetector(contentsOf: path)
      #expect(type(of: loaded) == type(of: detector))
      #expect(loaded.sampleShape == [8])
      #expect(try loaded.allScores(of: blobs.novels) == detector.allScores(of: blobs.novels))
      #expect(loaded.calibration == detector.calibration)
      #expect(try loaded.verdicts(on: blobs.novels) == detector.verdicts(on: blobs.novels))
    }
  }

  @Test(arguments: choices) func badInputIsRefused(choice: DetectorChoice) throws {
    let blobs = Blobs(count: 60)
    let detector = choice.makeDetector()
    #expect(throws: NoveltyError.self) { try detector.scores(of: blobs.novels) }
    #expect(throws: NoveltyError.self) { try detector.fit(NormalData(inputs: .zeros([0, 8]))) }
    #expect(throws: NoveltyError.self) { try detector.fit(NormalData(inputs: .zeros([4, 0]))) }
    var broken = blobs.normals
    broken[5, 2] = Tensor(scalar: .nan)
    #expect(throws: NoveltyError.notFinite(operation: "fit", row: 5)) {
      try detector.fit(NormalData(inputs: broken))
    }
    #expect(throws: NoveltyError.labelCount(inputs: 60, labels: 3)) {
      try detector.fit(NormalData(inputs: blobs.normals, labels: [1, 2, 3]))
    }
    #expect(detector.sampleShape == nil)
    try detector.fit(blobs.data)
    #expect(throws: NoveltyError.self) { try detector.scores(of: .zeros([3, 7])) }
    #expect(throws: NoveltyError.notFinite(operation: "score", row: 5)) {
      try detector.scores(of: broken)
    }
    #expect(throws: NoveltyError.self) { try detector.verdicts(on: blobs.novels) }
    #expect(try detector.scores(of: blobs.novels[0..<0]) == [])
    let huge = try detector.scores(of: Tensor(repeating: 3e38, shape: [1, 8]))
    #expect(huge[0].isFinite)
  }

  @Test(arguments: choices) func oneSampleScoresAsInABatch(choice: DetectorChoice) throws {
    let blobs = Blobs(count: 60)
    let detector = choice.makeDetector()
    try detector.fit(blobs.data)
    let batch = try detector.scores(of: blobs.novels)
    let single = try detector.score(of: blobs.novels[7])
    expectClose([single], [batch[7]], relative: 1e-3, absolute: 1e-5)
  }

  @Test(arguments: choices) func constantInputIsSound(choice: DetectorChoice) throws {
    let detector = choice.makeDetector()
    let same = Tensor<Float>(repeating: 0.5, shape: [60, 8])
    try detector.fit(NormalData(inputs: same))
    for (name, scores) in try detector.allScores(of: .concatenating([same[0..<2], Blobs().novels]))
    {
      #expect(scores.allSatisfy { $0.isFinite }, "\(name)")
    }
  }

  /// Those that take long, whose training an interruption must not lose.
  @Test(arguments: choices.filter { $0.takesEpochs }) func interruptedTrainingGoesOn(
    choice: DetectorChoice
  ) throws {
    let blobs = Blobs(count: 120)
    let whole = choice.makeDetector(seed: 3)
    let epochs = try whole.fit(blobs.data).epochs.count
    try withTemporaryFolder { folder in
      var done = 0
      let detector = choice.makeDetector(seed: 3)
      let options = FitOptions(
        checkpointPath: folder + "/run",
        progress: { _ in done += 1 },
        shouldStop: { done == 2 }
      )
      #expect(try detector.fit(blobs.data, options: options).ending == .interrupted)
      // Another process: nothing is left of the first one but the folder.
      let next = choice.makeDetector(seed: 3)
      let report = try next.fit(blobs.data, options: FitOptions(checkpointPath: folder + "/run"))
      #expect(report.ending == .finished)
      #expect(report.epochs.map(\.epoch) == Array(1...epochs))
      #expect(try next.allScores(of: blobs.novels) == whole.allScores(of: blobs.novels))
      let other = choice.makeDetector(seed: 4)
      #expect(throws: NoveltyError.self) {
        try other.fit(blobs.data, options: FitOptions(checkpointPath: folder + "/run"))
      }
    }
  }

  @Test func latentSpacesHaveDetectorsToo() throws {
    let blobs = Blobs()
    let detector = LatentDetector<NearestNeighbours>(
      .init(autoencoder: Blobs.settings, detector: .init())
    )
    try detector.fit(blobs.data)
    #expect(try blobs.area(detector) > 0.8)
    try withTemporaryFolder { folder in
      try detector.save(to: folder + "/latent.safetensors")
      let loaded = try noveltyDetector(contentsOf: folder + "/latent.safetensors")
      #expect(try loaded.scores(of: blobs.novels) == detector.scores(of: blobs.novels))
    }
  }

  /// The nearest of 1-2-3 to 2.2 are 2 (0.2), 3 (0.8), 1 (1.2): √((0.04 + 0.64) / 2).
  @Test func neighboursByHand() throws {
    var settings = NearestNeighbours.Configuration()
    settings.neighbourCount = 2
    let detector = NearestNeighbours(settings)
    try detector.fit(NormalData(inputs: Tensor([1, 2, 3], shape: [3, 1])))
    let found = try detector.scores(of: Tensor([2.2, 2], shape: [2, 1]))
    expectClose(found, [Float(0.34).squareRoot(), Float(0.5).squareRoot()], relative: 1e-5)
  }

  @Test func mahalanobisKnowsTheNearestClass() throws {
    let blobs = Blobs()
    let detector = MahalanobisDetector()
    try detector.fit(blobs.data)
    let found = try detector.nearestClasses(of: blobs.heldBack)
    #expect(found == (0..<3).flatMap { [Int32](repeating: 10 * Int32($0), count: 30) })
    // The mean of a χ² distribution with eight degrees of freedom.
    let mean = try detector.scores(of: blobs.heldBack).reduce(0, +) / 90
    #expect(abs(mean - 8) < 1.5)
  }

  @Test func principalComponentsGiveALineBack() throws {
    let line = Tensor<Float>((0..<20).flatMap { [Float($0), 2 * Float($0), 0] }, shape: [20, 3])
    let detector = PrincipalComponents()
    try detector.fit(NormalData(inputs: line))
    let found = try detector.scores(of: Tensor([4, 8, 0, 4, 8, 3], shape: [2, 3]))
    expectClose(found, [0, 9], absolute: 1e-3)
  }

  @Test func foreignFilesAreRefused() throws {
    let blobs = Blobs(count: 60)
    let detector = MahalanobisDetector()
    try detector.fit(blobs.data)
    try withTemporaryFolder { folder in
      let path = folder + "/detector.safetensors"
      try detector.save(to: path)
      #expect(throws: NoveltyError.self) { try OAAE(contentsOf: path) }
      #expect(throws: NoveltyError.self) { try noveltyDetector(contentsOf: folder + "/none") }
    }
  }
}

extension DetectorChoice {
  /// Whether the fit has epochs.
  fileprivate var takesEpochs: Bool {
    switch self {
    case .oaae, .deepSVDD, .ocgan, .latentNearestNeighbours, .latentMahalanobis: true
    default: false
    }
  }
}
