import Checkpoints
import Novelty
import Tensor

extension Suite {
  /// OAAE: what training and scoring cost.
  static let novelty = Suite(
    name: "novelty",
    summary: "a step of OAAE on images and on embeddings, scores of images and embeddings"
  ) { run in
    try NoveltySuite(run: run).measure()
  }
}

/// The profiles of OAAE on random samples of nine classes, beside the same networks in torch.
struct NoveltySuite {
  let run: BenchRun

  func measure() throws {
    guard run.startGroup("a step of training, batch of 256, nine classes") else {
      try measureScores()
      return
    }
    for profile in Profile.all { try measureStep(profile) }
    try measureScores()
  }

  private func measureScores() throws {
    guard run.startGroup("scores by the angle, 2048 samples") else { return }
    for profile in Profile.all { try measureScores(profile) }
  }

  private func measureStep(_ profile: Profile) throws {
    let training = try OAAETraining(profile.configuration, sampleShape: profile.sampleShape)
    let rows = profile.samples(256).reshaped(to: [256, profile.width])
    let labels = (0..<256).map { Int32($0 % 9) }
    var generator = Philox(seed: 2)
    try run.measure(
      BenchCase(
        name: profile.name,
        metric: .microseconds,
        peer: profile.peer("step", count: 256)
      ) {
        let noise = Tensor<Float>.normal(
          [256, profile.configuration.latentWidth],
          using: &generator
        )
        keep(try? training.step(rows, labels: labels, noise: noise))
      }
    )
  }

  private func measureScores(_ profile: Profile) throws {
    let detector = OAAE(profile.configuration)
    let samples = profile.samples(2048)
    try detector.fit(NormalData(inputs: samples, labels: (0..<2048).map { Int32($0 % 9) }))
    try run.measure(
      BenchCase(
        name: profile.name,
        metric: .images(2048),
        peer: profile.peer("scores", count: 2048)
      ) {
        keep(try? detector.scores(of: samples))
      }
    )
  }
}

/// What is trained, and on what.
private struct Profile {
  let name: String
  let sampleShape: [Int]
  var configuration: OAAE.Configuration
  /// The peer's word for the networks.
  let networks: String

  static var all: [Profile] {
    var small = OAAE.Configuration.small()
    small.pooling = 1
    var embeddings = OAAE.Configuration.perceptron()
    embeddings.output = .linear
    return [
      Profile("images of 28×28, convolutions", [1, 28, 28], .convolution(), "convolution"),
      Profile("images of 28×28, perceptron", [784], .perceptron(), "perceptron"),
      Profile("images of 14×14, small", [196], small, "small"),
      Profile("embeddings of 768", [768], embeddings, "perceptron"),
    ]
  }

  private init(
    _ name: String,
    _ sampleShape: [Int],
    _ configuration: OAAE.Configuration,
    _ networks: String
  ) {
    self.name = name
    self.sampleShape = sampleShape
    self.networks = networks
    self.configuration = configuration
    self.configuration.batchSize = 256
    self.configuration.epochs = 1
    self.configuration.scores = [.angle]
  }

  var width: Int { sampleShape.reduce(1, *) }

  /// Samples that are the same in every run; numbers in [0, 1].
  func samples(_ count: Int) -> Tensor<Float> {
    var generator = Philox(seed: 1)
    return .uniform(Shape([count] + sampleShape), from: 0, to: 1, using: &generator)
  }

  func peer(_ name: String, count: Int) -> JSONObject {
    [
      "kind": "novelty", "name": .string(name), "networks": .string(networks),
      "width": .integer(Int64(width)), "count": .integer(Int64(count)),
      "linear": .bool(configuration.output == .linear),
    ]
  }
}
