import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@testable import Novelty

/// Training, files and explanations of OAAE.
@Suite struct OAAETests {
  private let blobs = Blobs()

  private func scores(
    _ settings: OAAE.Configuration,
    options: FitOptions = FitOptions()
  ) throws -> [String: [Float]] {
    let detector = OAAE(settings)
    try detector.fit(blobs.data, options: options)
    return try detector.allScores(of: blobs.novels)
  }

  @Test func threadsDoNotChangeABit() throws {
    let threads = WorkPool.threadCount
    defer { WorkPool.threadCount = threads }
    WorkPool.threadCount = 1
    let one = try scores(Blobs.settings)
    WorkPool.threadCount = 2
    #expect(try scores(Blobs.settings) == one)
  }

  @Test func seedsMatter() throws {
    var settings = Blobs.settings
    let first = try scores(settings)
    settings.seed = 1
    #expect(try scores(settings) != first)
  }

  @Test func interruptedTrainingGoesOn() throws {
    let whole = try scores(Blobs.settings)
    try withTemporaryFolder { folder in
      var epochs = 0
      let options = FitOptions(
        checkpointPath: folder + "/run",
        progress: { _ in epochs += 1 },
        shouldStop: { epochs == 3 }
      )
      let detector = OAAE(Blobs.settings)
      #expect(try detector.fit(blobs.data, options: options).ending == .interrupted)
      let report = try detector.fit(
        blobs.data,
        options: FitOptions(checkpointPath: folder + "/run")
      )
      #expect(report.ending == .finished)
      #expect(report.epochs.map(\.epoch) == Array(1...6))
      #expect(try detector.allScores(of: blobs.novels) == whole)
      var other = Blobs.settings
      other.learningRate = 1e-4
      #expect(throws: NoveltyError.self) {
        try OAAE(other).fit(blobs.data, options: FitOptions(checkpointPath: folder + "/run"))
      }
    }
  }

  @Test func trainingStopsWhenValidationGetsNoBetter() throws {
    var settings = Blobs.settings
    (settings.epochs, settings.patience, settings.learningRate) = (60, 2, 0.05)
    let detector = OAAE(settings)
    let report = try detector.fit(blobs.data)
    #expect(report.ending == .stoppedEarly)
    #expect(report.epochs.count < 60)
    let best = try #require(report.epochs.compactMap(\.validation).min())
    // The weights are the best epoch's.
    let output = try detector.reconstruct(blobs.heldBack)
    let loss = output.rowSquaredDistances(to: blobs.heldBack).reduce(0, +) / 90
    expectClose([Double(loss)], [best], relative: 1e-3)
  }

  @Test func lossesAndGeometryAreReported() throws {
    var seen: [FitProgress] = []
    let detector = OAAE(Blobs.settings)
    let options = FitOptions(progress: { seen.append($0) })
    try detector.fit(blobs.data, options: options)
    #expect(seen.map(\.epoch) == Array(1...6))
    let last = try #require(seen.last?.record)
    #expect(
      last.losses.keys.sorted() == ["adversarial", "discriminator", "embedding", "reconstruction"]
    )
    #expect(last.geometry?.meanAbsoluteCosine != nil)
    let first = try #require(seen.first?.record)
    #expect(try #require(last.validation) < #require(first.validation))
  }

  @Test func ablationsLeaveLossesOut() throws {
    let plain = try OAAE(Blobs.settings.withoutPrior).fit(blobs.data)
    #expect(plain.epochs[0].losses.keys.sorted() == ["reconstruction"])
    let adversarial = try OAAE(Blobs.settings.withoutEmbedding).fit(blobs.data)
    #expect(adversarial.epochs[0].losses["embedding"] == nil)
    var raw = Blobs.settings
    raw.embedding.normalizesRows = false
    raw.consistencyWeight = 1
    #expect(try OAAE(raw).fit(blobs.data).epochs[0].losses["consistency"] != nil)
  }

  /// The discriminator of images learns, pulls at reconstructions, and goes on after a stop.
  @Test func imagesHaveADiscriminatorToo() throws {
    var settings = Blobs.settings
    settings.imageAdversarialWeight = 2
    let whole = try scores(settings)
    let plain = try scores(Blobs.settings)
    #expect(whole["reconstruction"] != plain["reconstruction"])
    try withTemporaryFolder { folder in
      var records: [EpochRecord] = []
      let options = FitOptions(
        checkpointPath: folder + "/run",
        progress: { records.append($0.record) },
        shouldStop: { records.count == 3 }
      )
      #expect(try OAAE(settings).fit(blobs.data, options: options).ending == .interrupted)
      let losses = records.compactMap { $0.losses["image discriminator"] }
      #expect(losses.count == 3 && losses[2] < losses[0])
      #expect(records.allSatisfy { $0.losses["image adversarial"] != nil })
      let again = try scores(settings, options: FitOptions(checkpointPath: folder + "/run"))
      #expect(again == whole)
    }
    settings.imageAdversarialWeight = -1
    #expect(throws: NoveltyError.self) { try OAAE(settings).fit(blobs.data) }
  }

  @Test func oneClassNeedsNoEmbedding() throws {
    let report = try OAAE(Blobs.settings).fit(NormalData(inputs: blobs.normals))
    #expect(report.epochs[0].losses["embedding"] == nil)
    #expect(report.epochs[0].geometry?.meanAbsoluteCosine == nil)
  }

  /// All images are the same: nothing to learn but them, and everything else is novel.
  @Test(arguments: [OAAE.Configuration.convolution(channels: 8, latentWidth: 4), .small()])
  func constantImagesAreNormal(settings: OAAE.Configuration) throws {
    var settings = settings
    (settings.epochs, settings.batchSize, settings.discriminatorWidths) = (3, 16, [4])
    for value: Float in [0, 0.5, 1] {
      let same = Tensor<Float>(repeating: value, shape: [48, 16, 16])
      var generator = Philox(seed: 1)
      let noise = Tensor<Float>.uniform([4, 16, 16], from: 0, to: 1, using: &generator)
      let detector = OAAE(settings)
      try detector.fit(NormalData(inputs: same, labels: (0..<48).map { $0 % 3 }))
      try detector.calibrate(on: same)
      for (name, scores) in try detector.allScores(of: .concatenating([same[0..<2], noise])) {
        #expect(scores.count == 6 && scores.allSatisfy(\.isFinite), "\(name)")
        #expect(scores[0] == scores[1], "\(name)")
      }
      // In the same batch: sums of another one may differ in their last bit.
      #expect(try detector.verdicts(on: same).allSatisfy { !$0.isNovel && $0.pValue == 1 })
    }
  }

  @Test func pixelsThatAreNotFiniteAreNamed() throws {
    var settings = OAAE.Configuration.convolution(channels: 8, latentWidth: 4)
    (settings.epochs, settings.batchSize, settings.discriminatorWidths) = (1, 8, [4])
    var generator = Philox(seed: 1)
    let images = Tensor<Float>.uniform([16, 12, 12], from: 0, to: 1, using: &generator)
    for wrong in [Float.nan, .infinity, -.infinity] {
      var broken = images
      broken[9, 11, 11] = Tensor(scalar: wrong)
      #expect(throws: NoveltyError.notFinite(operation: "fit", row: 9)) {
        try OAAE(settings).fit(NormalData(inputs: broken))
      }
      let detector = OAAE(settings)
      #expect(throws: NoveltyError.notFinite(operation: "fit, validation", row: 9)) {
        try detector.fit(NormalData(inputs: images, validation: broken))
      }
      try detector.fit(NormalData(inputs: images))
      #expect(throws: NoveltyError.notFinite(operation: "score", row: 9)) {
        try detector.scores(of: broken)
      }
    }
  }

  @Test func imagesOfOtherSizesAreNamed() throws {
    var settings = OAAE.Configuration.small()
    (settings.epochs, settings.batchSize) = (1, 8)
    let images = Tensor<Float>.zeros([16, 12, 12])
    let detector = OAAE(settings)
    let wrong = NormalData(inputs: images, validation: .zeros([4, 12, 14]))
    #expect(throws: NoveltyError.self) { try detector.fit(wrong) }
    try detector.fit(NormalData(inputs: images))
    for shape: Shape in [[2, 12, 13], [2, 1, 12, 12], [2, 144], [144]] {
      let error = #expect(throws: NoveltyError.self) { try detector.scores(of: .zeros(shape)) }
      #expect(error?.description.contains("expected [N×12×12]") == true)
    }
  }

  @Test func oneLabelIsOneClass() throws {
    let labels = [Int32](repeating: 7, count: blobs.labels.count)
    let report = try OAAE(Blobs.settings).fit(NormalData(inputs: blobs.normals, labels: labels))
    #expect(report.epochs[0].losses["embedding"] == nil)
    #expect(report.epochs[0].geometry?.meanAbsoluteCosine == nil)
  }

  @Test(arguments: [true, false]) func statisticsTakeFewRows(hasLabels: Bool) throws {
    var settings = Blobs.settings
    (settings.statisticsRows, settings.epochs) = (50, 1)
    let detector = OAAE(settings)
    let labels = hasLabels ? blobs.labels : nil
    try detector.fit(NormalData(inputs: blobs.normals, labels: labels))
    for (name, scores) in try detector.allScores(of: blobs.novels) {
      #expect(scores.allSatisfy { $0.isFinite }, "\(name)")
    }
  }

  @Test func classesNeedTwoSamples() {
    var labels = blobs.labels
    labels[0] = 99
    #expect(
      throws: NoveltyError.tooFewSamples(operation: "fit", label: 99, found: 1, needed: 2)
    ) { try OAAE(Blobs.settings).fit(NormalData(inputs: blobs.normals, labels: labels)) }
  }

  @Test func bytesMustBeDivided() {
    let inputs = blobs.normals * 255
    let error = #expect(throws: NoveltyError.self) {
      try OAAE(Blobs.settings).fit(NormalData(inputs: inputs))
    }
    #expect(error.map { "\($0)".contains("unitRange") } == true)
    var settings = Blobs.settings
    settings.scaling = .unitRange
    #expect(throws: Never.self) { try OAAE(settings).fit(NormalData(inputs: inputs)) }
    (settings.scaling, settings.output) = (.standardized, .linear)
    #expect(throws: Never.self) { try OAAE(settings).fit(NormalData(inputs: inputs)) }
  }

  @Test func brokenSettingsAreRefused() {
    var settings = Blobs.settings
    settings.scores = [.sap]
    #expect(throws: NoveltyError.self) { try OAAE(settings).fit(blobs.data) }
    settings = Blobs.settings
    settings.architecture = .perceptron(hiddenWidths: [0])
    #expect(throws: NoveltyError.self) { try OAAE(settings).fit(blobs.data) }
    settings = .convolution(channels: 2)
    #expect(throws: NoveltyError.self) { try OAAE(settings).fit(blobs.data) }
  }

  @Test func divergenceIsNamed() {
    var settings = Blobs.settings
    (settings.learningRate, settings.output, settings.normalizesBatches) = (1e30, .linear, false)
    #expect(throws: NoveltyError.self) { try OAAE(settings).fit(blobs.data) }
  }

  @Test(arguments: [OAAE.Configuration.convolution(channels: 3, latentWidth: 5), .small()])
  func networksInUseHaveNoNorms(settings: OAAE.Configuration) throws {
    var settings = settings
    settings.pooling = 1
    var generator = Philox(seed: 2)
    let plan = settings.plan(try settings.layout(of: [1, 9, 13]))
    let networks = Autoencoder(plan, using: &generator)
    for parameter in networks.parameters() {
      parameter.value += .normal(parameter.shape, deviation: 0.2, using: &generator)
    }
    networks.train()
    for _ in 0..<5 {
      let x = Tensor<Float>.uniform([20, 117], from: 0, to: 1, using: &generator)
      _ = networks.decoder(networks.encoder(Variable(x)))
    }
    networks.eval()
    let folded = Autoencoder(inUse: networks)
    #expect((folded.encoder.stages + folded.decoder.stages).allSatisfy { $0.norm == nil })
    let x = Tensor<Float>.uniform([20, 117], from: 0, to: 1, using: &generator)
    let (z, again) = (networks.encoder(x), folded.encoder(x))
    expectClose(again.elements, z.elements, relative: 1e-4, absolute: 1e-4)
    expectClose(
      folded.decoder(z).elements,
      networks.decoder(z).elements,
      relative: 1e-4,
      absolute: 1e-5
    )
  }

  @Test(arguments: [[28, 28], [3, 32, 32], [1, 9, 13]]) func convolutionsFitTheirImages(
    shape: [Int]
  ) throws {
    var settings = OAAE.Configuration.convolution(channels: 2, latentWidth: 4)
    (settings.epochs, settings.batchSize, settings.discriminatorWidths) = (1, 8, [4])
    var generator = Philox(seed: 1)
    let images = Tensor<Float>.uniform(Shape([16] + shape), using: &generator)
    let detector = OAAE(settings)
    try detector.fit(NormalData(inputs: images, labels: (0..<16).map { $0 % 2 }))
    #expect(try detector.reconstruct(images).shape == images.shape)
    #expect(try detector.embed(images).shape == [16, 4])
    for (name, scores) in try detector.allScores(of: images) {
      #expect(scores.count == 16 && scores.allSatisfy { $0.isFinite }, "\(name)")
    }
  }

  @Test func pooledImagesComeBackSmaller() throws {
    var settings = OAAE.Configuration.small()
    (settings.epochs, settings.batchSize) = (1, 8)
    var generator = Philox(seed: 1)
    let images = Tensor<Float>.uniform([16, 28, 28], using: &generator)
    let detector = OAAE(settings)
    try detector.fit(NormalData(inputs: images))
    #expect(try detector.reconstruct(images).shape == [16, 14, 14])
  }

  @Test func explanationsAddUp() throws {
    let detector = OAAE(Blobs.settings)
    try detector.fit(blobs.data)
    let found = try detector.explain(blobs.heldBack)
    let sap = try detector.scores(of: blobs.heldBack, by: [.sap])[.sap]
    expectClose(
      found.map { $0.layerContributions.reduce(0, +) },
      try #require(sap),
      relative: 1e-4
    )
    #expect(found.map(\.score) == (try detector.scores(of: blobs.heldBack)))
    #expect(found.allSatisfy { [0, 10, 20].contains($0.nearestClass) })
    #expect(found[0].reconstruction.shape == [8])
    #expect(found[0].layerContributions.count == 4)
  }

  @Test func scoresThatWereNotPreparedAreNamed() throws {
    var settings = Blobs.settings
    settings.scores = [.angle]
    let detector = OAAE(settings)
    try detector.fit(blobs.data)
    #expect(throws: NoveltyError.self) { try detector.scores(of: blobs.novels, by: [.nap]) }
    #expect(throws: Never.self) { try detector.scores(of: blobs.novels, by: [.sap]) }
  }

  @Test func anotherScoreCanBeSelected() throws {
    var settings = Blobs.settings
    settings.scores = [.angle, .combined]
    let detector = OAAE(settings)
    try detector.fit(blobs.data)
    try detector.calibrate(on: blobs.heldBack)
    try detector.select(.combined)
    #expect(detector.calibration == nil)
    let expected = try detector.scores(of: blobs.novels, by: [.combined])[.combined]
    #expect(try detector.scores(of: blobs.novels) == expected)
    #expect(throws: NoveltyError.self) { try detector.select(.nap) }
  }

  @Test func groupsKeepClassesTogether() {
    var settings = Blobs.settings
    settings.sampling = .classGroups
    let order = EpochOrder(settings, blobs.labels, count: 240)(3)
    #expect(order.sorted() == (0..<240).map { Int32($0) })
    let labels = order.map { blobs.labels[Int($0)] }
    for start in stride(from: 0, to: 240, by: 4) {
      #expect(Set(labels[start..<start + 4]).count == 1)
    }
  }

  @Test func damagedFilesAreRefused() throws {
    let detector = OAAE(Blobs.settings)
    try detector.fit(blobs.data)
    try withTemporaryFolder { folder in
      let path = folder + "/detector.safetensors"
      try detector.save(to: path)
      let file = try SafetensorsFile(path: path, mode: .inMemory)
      var metadata = file.metadata
      let key = "apus.novelty.configuration"
      let text = try #require(metadata[key])
      // A configuration that asks for more than the file holds allocates nothing.
      for (wanted, put) in [
        ("\"latentWidth\":6", "\"latentWidth\":1000000"), ("\"pooling\":1", "\"pooling\":0"),
        ("\"latentWidth\":6", "\"latentWidth\":5"), ("{", "["),
      ] {
        metadata[key] = text.replacingOccurrences(of: wanted, with: put)
        #expect(metadata[key] != text)
        var tensors: [SafetensorsItem] = []
        for entry in file.entries {
          if entry.type == .int32 {
            let numbers = try file.tensor(named: entry.name, as: Int32.self)
            tensors.append(SafetensorsItem(entry.name, numbers))
          } else {
            let numbers = try file.tensor(named: entry.name, as: Float.self)
            tensors.append(SafetensorsItem(entry.name, numbers))
          }
        }
        try SafetensorsFile.write(tensors, metadata: metadata, to: folder + "/bad.safetensors")
        #expect(throws: NoveltyError.self, "\(put)") {
          try OAAE(contentsOf: folder + "/bad.safetensors")
        }
      }
    }
  }
}
