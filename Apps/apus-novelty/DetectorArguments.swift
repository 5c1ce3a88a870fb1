import ArgumentParser
import Novelty
import Support

/// A way to find what is novel.
enum DetectorMethod: String, CaseIterable, ExpressibleByArgument {
  case oaae
  case oaaeWithoutPrior = "oaae-without-prior"
  case oaaeRawLatents = "oaae-raw-latents"
  case aae
  case ae
  case deepSVDD = "deep-svdd"
  case ocgan
  case nearestNeighbours = "knn"
  case mahalanobis
  case latentNearestNeighbours = "latent-knn"
  case latentMahalanobis = "latent-mahalanobis"
  case principalComponents = "pca"
  case isolationForest = "isolation-forest"

  /// The name in tables.
  var title: String {
    switch self {
    case .oaae: "OAAE"
    case .oaaeWithoutPrior: "OAAE without prior"
    case .oaaeRawLatents: "OAAE raw latents"
    case .aae: "AAE"
    case .ae: "AE"
    case .deepSVDD: "Deep SVDD"
    case .ocgan: "OCGAN"
    case .nearestNeighbours: "kNN"
    case .mahalanobis: "Mahalanobis"
    case .latentNearestNeighbours: "kNN of latents"
    case .latentMahalanobis: "Mahalanobis of latents"
    case .principalComponents: "PCA"
    case .isolationForest: "Isolation forest"
    }
  }
}

/// The networks of autoencoders.
enum NetworkProfile: String, CaseIterable, ExpressibleByArgument {
  case small
  case perceptron
  case convolution
}

/// How detectors are built and trained.
struct DetectorArguments: ParsableArguments {
  @Option(
    help: "Networks of autoencoders: small (images pooled 2×2), perceptron or convolution (images)."
  )
  var profile = NetworkProfile.perceptron
  @Option(help: "Channels of the first convolution; 32 by default, 64 for colours.")
  var channels: Int?
  @Option(help: "How often each sample is seen; each method has its own default.")
  var epochs: Int?
  @Option(
    help: "Epochs without a better reconstruction that end a training of autoencoders; 0: never."
  )
  var patience: Int?
  @Option(help: "The samples of a step.")
  var batch: Int?
  @Option(help: "The width of the latent space.")
  var latentWidth: Int?
  @Option(help: "OAAE's weight of the orthogonal embedding; 0.1 per number of a sample by default.")
  var embeddingWeight: Float?

  func validate() throws {
    for (value, name) in [(epochs, "--epochs"), (latentWidth, "--latent-width")] {
      guard value ?? 1 > 0 else { throw ValidationError("\(name) must be above 0") }
    }
    guard (1...4096).contains(channels ?? 1) else {
      throw ValidationError("--channels must lie in 1 to 4096")
    }
    guard channels == nil || profile == .convolution else {
      throw ValidationError("--channels is for --profile convolution")
    }
    guard patience ?? 0 >= 0 else { throw ValidationError("--patience must not be below 0") }
    guard batch ?? 2 > 1 else { throw ValidationError("--batch must be above 1") }
    guard embeddingWeight ?? 0 >= 0, (embeddingWeight ?? 0).isFinite else {
      throw ValidationError("--embedding-weight must not be below 0")
    }
  }

  /// A detector for samples of a kind.
  func choice(_ method: DetectorMethod, for samples: Samples) -> DetectorChoice {
    let scaling: InputScaling = samples.isImage ? .none : .standardized
    switch method {
    case .oaae, .oaaeWithoutPrior, .oaaeRawLatents, .aae, .ae:
      return .oaae(autoencoder(method, samples))
    case .deepSVDD:
      var settings = DeepSVDD.Configuration()
      settings.scaling = scaling
      settings.epochs = epochs ?? settings.epochs
      settings.batchSize = batch ?? settings.batchSize
      settings.latentWidth = latentWidth ?? settings.latentWidth
      return .deepSVDD(settings)
    case .ocgan:
      var settings = OCGAN.Configuration()
      settings.scaling = samples.isImage ? .none : .unitRange
      settings.epochs = epochs ?? settings.epochs
      settings.batchSize = batch ?? settings.batchSize
      settings.latentWidth = latentWidth ?? settings.latentWidth
      return .ocgan(settings)
    case .nearestNeighbours:
      var settings = NearestNeighbours.Configuration()
      settings.scaling = scaling
      return .nearestNeighbours(settings)
    case .mahalanobis: return .mahalanobis(.init())
    case .latentNearestNeighbours:
      return .latentNearestNeighbours(
        .init(autoencoder: autoencoder(.ae, samples), detector: .init())
      )
    case .latentMahalanobis:
      return .latentMahalanobis(.init(autoencoder: autoencoder(.ae, samples), detector: .init()))
    case .principalComponents: return .principalComponents(.init())
    case .isolationForest: return .isolationForest(.init())
    }
  }

  private func autoencoder(_ method: DetectorMethod, _ samples: Samples) -> OAAE.Configuration {
    var settings: OAAE.Configuration
    switch profile {
    case .small: settings = .small()
    case .perceptron: settings = .perceptron()
    case .convolution:
      let isColour = samples.sampleShape.count == 3 && samples.sampleShape[0] == 3
      settings = .convolution(
        channels: channels ?? (isColour ? 64 : 32),
        latentWidth: isColour ? 64 : 32
      )
    }
    if !samples.isImage {
      (settings.scaling, settings.output) = (.standardized, .linear)
      if samples.sampleShape.count == 1 { settings.pooling = 1 }
    }
    settings.epochs = epochs ?? settings.epochs
    settings.batchSize = batch ?? settings.batchSize
    settings.latentWidth = latentWidth ?? settings.latentWidth
    settings.embeddingWeight = embeddingWeight
    if let patience { settings.patience = patience > 0 ? patience : nil }
    switch method {
    case .aae: return settings.withoutEmbedding
    case .ae: return settings.withoutPrior
    case .oaaeWithoutPrior: settings.adversarialWeight = 0
    case .oaaeRawLatents: settings.embedding.normalizesRows = false
    default: break
    }
    return settings
  }
}

/// How a threshold follows from the scores of normals.
struct ThresholdArguments: ParsableArguments {
  @Option(help: "The share of normal samples that may be called novel.")
  var fpr: Double?
  @Option(help: "The percentile of normal scores above which samples are novel.")
  var percentile: Double?

  func validate() throws {
    guard fpr == nil || percentile == nil else {
      throw ValidationError("give one of --fpr and --percentile")
    }
    if let fpr, !(fpr >= 0 && fpr < 1) { throw ValidationError("--fpr must lie in [0, 1)") }
    if let percentile, !(percentile >= 0 && percentile <= 100) {
      throw ValidationError("--percentile must lie in 0 to 100")
    }
  }

  /// The rule; nil where none was given.
  var rule: ThresholdRule? {
    fpr.map { .falsePositiveRate($0) } ?? percentile.map { .percentile($0) }
  }
}

extension ThresholdRule {
  var text: String {
    switch self {
    case .percentile(let percentile): "percentile \(percentile)"
    case .falsePositiveRate(let rate): "false positive rate \(rate)"
    case .fixed(let threshold): "threshold \(threshold)"
    }
  }
}
