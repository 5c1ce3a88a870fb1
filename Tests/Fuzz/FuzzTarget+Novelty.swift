import Foundation
import Novelty
import Tensor

extension FuzzTarget {
  static let novelty = [detector]

  private static let detector = FuzzTarget(
    name: "novelty-detector",
    words: [
      "\"apus.novelty.detector\":", "\"apus.novelty.version\":\"1\"",
      "\"apus.novelty.configuration\":",
      "\"apus.novelty.calibration\":", "\"hiddenWidths\":[", "\"latentWidth\":",
      "\"batchSize\":", "\"pooling\":", "\"architecture\":", "\"convolution\":",
      "\"normalScores\":[", "\"rule\":", "\"I32\"", "4294967296", "-1", "oaae", "ocgan",
      "deep-svdd", "isolation-forest", "latent-mahalanobis", "\"F32\"",
    ],
    seeds: {
      var generator = Philox(seed: 1)
      let inputs = Tensor<Float>.uniform([12, 4], using: &generator)
      let data = NormalData(inputs: inputs, labels: (0..<12).map { Int32($0 % 2) })
      return try choices().map { choice in
        let detector = choice.makeDetector(seed: 1)
        try detector.fit(data)
        try detector.calibrate(on: inputs)
        return try OpenSafetensors.input(Scratch.bytes("seed") { try detector.save(to: $0) })
      }
    }
  ) { bytes in
    let detector = try noveltyDetector(
      contentsOf: Scratch.file("fuzz.safetensors", OpenSafetensors.file(bytes))
    )
    guard let shape = detector.sampleShape else { return }
    let count = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
    demand(shape.allSatisfy { $0 > 0 }, "samples of shape \(shape)")
    guard count <= 1 << 16 else { return }
    let scores = try detector.allScores(of: .ones(Shape([2] + shape)))
    demand(scores.values.allSatisfy { $0.allSatisfy { !$0.isNaN } }, "a score that is no number")
    _ = try? detector.verdicts(on: .ones(Shape([1] + shape)))
    let copy = Scratch.folder + "/copy.safetensors"
    try detector.save(to: copy)
    _ = try noveltyDetector(contentsOf: copy)
  }

  /// Every kind, with networks as small as they can be.
  private static func choices() -> [DetectorChoice] {
    var autoencoder = OAAE.Configuration.perceptron(hiddenWidths: [3], latentWidth: 4)
    autoencoder.discriminatorWidths = [3]
    (autoencoder.epochs, autoencoder.batchSize) = (1, 6)
    var descriptions = DeepSVDD.Configuration()
    (descriptions.hiddenWidths, descriptions.latentWidth) = ([3], 2)
    (descriptions.epochs, descriptions.batchSize) = (1, 6)
    var adversarial = OCGAN.Configuration()
    (adversarial.hiddenWidths, adversarial.latentWidth) = ([3], 2)
    (adversarial.discriminatorWidths, adversarial.visualWidths) = ([3], [3])
    (adversarial.epochs, adversarial.batchSize) = (1, 6)
    var forest = IsolationForest.Configuration()
    (forest.treeCount, forest.sampleCount) = (2, 4)
    return [
      .oaae(autoencoder), .deepSVDD(descriptions), .ocgan(adversarial),
      .nearestNeighbours(.init()), .mahalanobis(.init()), .principalComponents(.init()),
      .latentNearestNeighbours(.init(autoencoder: autoencoder, detector: .init())),
      .latentMahalanobis(.init(autoencoder: autoencoder, detector: .init())),
      .isolationForest(forest),
    ]
  }
}
