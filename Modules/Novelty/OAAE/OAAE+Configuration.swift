extension OAAE {
  /// How an orthogonal adversarial autoencoder is built, trained and scored.
  ///
  /// The paper publishes neither its networks nor its weights: everything here was chosen, and
  /// measured on MNIST. Weights of 0 give the ablations: without `embeddingWeight` this is a plain
  /// adversarial autoencoder, without `adversarialWeight` too a plain autoencoder.
  public struct Configuration: Codable, Hashable, Sendable {
    /// What the encoder and the decoder are made of.
    public var architecture: AutoencoderArchitecture
    /// d, the width of z: at least twice the number of normal classes.
    public var latentWidth = 32
    /// The hidden widths of the latent discriminator.
    public var discriminatorWidths = [128, 128]
    /// Whether batch norm lies between the layers.
    public var normalizesBatches = true
    /// Images become means over squares of so many pixels first; 1 for none.
    public var pooling = 1
    /// What happens to inputs before anything else.
    public var scaling = InputScaling.none
    /// What the decoder ends with.
    public var output = DecoderOutput.sigmoid

    /// The weight of the adversarial loss; 0 for no discriminator.
    public var adversarialWeight: Float = 0.5
    /// The weight of an adversarial loss of reconstructions against a discriminator of images; nil or
    /// 0 for none.
    public var imageAdversarialWeight: Float?
    /// The weight of the orthogonal embedding; nil for 0.1 per input number, 0 for none.
    public var embeddingWeight: Float?
    /// The orthogonal embedding, of unit latents unless it says else.
    public var embedding = OrthogonalLowRankEmbedding(weight: 1, normalizesRows: true)
    /// The weight of 1 − cos(z, ẑ) on normals.
    public var consistencyWeight: Float = 0

    /// The samples of a step; the last, short batch of an epoch is dropped.
    public var batchSize = 256
    /// The most epochs.
    public var epochs = 30
    /// Adam's rate at first.
    public var learningRate: Float = 1e-3
    /// Adam's β₁ and β₂.
    public var betas = [0.5, 0.999]
    /// The share of the steps after which the rate falls.
    public var decayStart = 0.6
    /// What the rate is multiplied by then.
    public var decayFactor: Float = 0.2
    /// The epochs without a better validation loss that end the training; nil never ends it.
    public var patience: Int? = 5
    /// Which samples make a batch.
    public var sampling = ClassSampling.automatic

    /// The score of `scores(of:)`.
    public var score = NoveltyScore.angle
    /// The scores that the fit prepares statistics for; the others cost nothing.
    public var scores = NoveltyScore.allCases
    /// The most normals that statistics are computed from.
    public var statisticsRows = 10_000
    /// The source of all randomness: start, order and noise.
    public var seed: UInt64 = 0

    /// A configuration with the chosen defaults.
    public init(architecture: AutoencoderArchitecture) { self.architecture = architecture }
  }
}

/// Which samples make a batch.
public enum ClassSampling: String, Codable, Hashable, Sendable {
  /// Any.
  case shuffled
  /// Small groups of one class, so that each class in a batch has several rows.
  case classGroups
  /// Groups from 50 classes on.
  case automatic
}

extension OAAE.Configuration {
  /// The convolutional profile: c channels in the first layer, 64 with a latent width of 64 for
  /// colour images.
  public static func convolution(channels: Int = 32, latentWidth: Int = 32) -> Self {
    var configuration = Self(architecture: .convolution(channels: channels))
    configuration.latentWidth = latentWidth
    return configuration
  }

  /// The profile of linear layers, 256-128-64, for images and vectors.
  public static func perceptron(
    hiddenWidths: [Int] = [256, 128, 64],
    latentWidth: Int = 32
  ) -> Self {
    var configuration = Self(architecture: .perceptron(hiddenWidths: hiddenWidths))
    configuration.latentWidth = latentWidth
    return configuration
  }

  /// The small profile for quick runs: 2×2-mean-pooled images, 128-64-32-16, 20 epochs of batches
  /// of 128.
  public static func small() -> Self {
    var configuration = Self(architecture: .perceptron(hiddenWidths: [128, 64, 32]))
    configuration.latentWidth = 16
    configuration.discriminatorWidths = [64, 64]
    configuration.pooling = 2
    configuration.batchSize = 128
    configuration.epochs = 20
    configuration.learningRate = 2e-3
    return configuration
  }

  /// The plain autoencoder with the same networks, scored by SAP.
  public var withoutPrior: Self {
    var configuration = withoutEmbedding
    configuration.adversarialWeight = 0
    configuration.imageAdversarialWeight = nil
    return configuration
  }

  /// The adversarial autoencoder with the same networks, scored by SAP.
  public var withoutEmbedding: Self {
    var configuration = self
    configuration.embeddingWeight = 0
    configuration.score = .sap
    return configuration
  }

  /// The hidden widths of the discriminator of images.
  static let imageDiscriminatorWidths = [256, 64]

  /// The embedding's weight for inputs of a width.
  func embeddingWeight(inputWidth: Int) -> Float { embeddingWeight ?? 0.1 * Float(inputWidth) }

  /// How samples of a shape become rows.
  func layout(of sampleShape: [Int]) throws(NoveltyError) -> InputLayout {
    var isImage = false
    if case .convolution = architecture { isImage = true }
    return try InputLayout(sampleShape, pooling: pooling, isImage: isImage)
  }

  /// The networks for rows of a layout.
  func plan(_ layout: InputLayout) -> Autoencoder.Plan {
    Autoencoder.Plan(
      architecture: architecture,
      extents: layout.extents,
      latentWidth: latentWidth,
      output: output,
      normalizesBatches: normalizesBatches
    )
  }

  /// Throws what contradicts itself.
  func check() throws(NoveltyError) {
    try architecture.check()
    let counts = [latentWidth, pooling, batchSize - 1, epochs, patience ?? 1, statisticsRows - 1]
    guard counts.allSatisfy({ $0 > 0 && $0 < 1 << 30 }) else {
      throw .configuration("widths, pooling, epochs, patience are 1 or more, batches 2 or more")
    }
    guard discriminatorWidths.allSatisfy({ (1...1 << 20).contains($0) }),
      discriminatorWidths.count < 64, latentWidth <= 1 << 20
    else { throw .configuration("networks of widths \(discriminatorWidths), \(latentWidth)") }
    let weights = [
      adversarialWeight, imageAdversarialWeight ?? 0, embeddingWeight ?? 0, consistencyWeight,
      decayFactor, embedding.weight,
      Float(embedding.margin), Float(embedding.threshold),
    ]
    guard weights.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw .configuration("weights, margins and factors are 0 or more")
    }
    guard learningRate > 0, learningRate.isFinite, betas.count == 2,
      betas.allSatisfy({ (0..<1).contains($0) }), (0...1).contains(decayStart)
    else {
      throw .configuration("a rate of \(learningRate), betas \(betas), decay from \(decayStart)")
    }
    guard scores.contains(score) else {
      throw .configuration("the score \(score.rawValue) is not among those that are prepared")
    }
  }
}
