/// A detector by its configuration: what a benchmark or a configuration file chooses.
public enum DetectorChoice: Codable, Hashable, Sendable {
  /// The orthogonal adversarial autoencoder, or its ablations.
  case oaae(OAAE.Configuration)
  /// Deep SVDD.
  case deepSVDD(DeepSVDD.Configuration)
  /// OCGAN.
  case ocgan(OCGAN.Configuration)
  /// The distance to normal samples.
  case nearestNeighbours(NearestNeighbours.Configuration)
  /// The distance to normal classes.
  case mahalanobis(MahalanobisDetector.Configuration)
  /// What principal components leave.
  case principalComponents(PrincipalComponents.Configuration)
  /// The distance to normal samples in an autoencoder's latent space.
  case latentNearestNeighbours(LatentDetector<NearestNeighbours>.Configuration)
  /// The distance to normal classes in an autoencoder's latent space.
  case latentMahalanobis(LatentDetector<MahalanobisDetector>.Configuration)
  /// Random cuts.
  case isolationForest(IsolationForest.Configuration)

  /// A new detector.
  ///
  /// - Parameter seed: takes the place of the configuration's where there is one; nil keeps it.
  /// - Returns: a detector that is not fitted.
  public func makeDetector(seed: UInt64? = nil) -> any NoveltyDetector {
    switch self {
    case .oaae(var configuration):
      configuration.seed = seed ?? configuration.seed
      return OAAE(configuration)
    case .deepSVDD(var configuration):
      configuration.seed = seed ?? configuration.seed
      return DeepSVDD(configuration)
    case .ocgan(var configuration):
      configuration.seed = seed ?? configuration.seed
      return OCGAN(configuration)
    case .nearestNeighbours(var configuration):
      configuration.seed = seed ?? configuration.seed
      return NearestNeighbours(configuration)
    case .mahalanobis(let configuration): return MahalanobisDetector(configuration)
    case .principalComponents(let configuration): return PrincipalComponents(configuration)
    case .latentNearestNeighbours(var configuration):
      configuration.autoencoder.seed = seed ?? configuration.autoencoder.seed
      configuration.detector.seed = seed ?? configuration.detector.seed
      return LatentDetector(configuration)
    case .latentMahalanobis(var configuration):
      configuration.autoencoder.seed = seed ?? configuration.autoencoder.seed
      return LatentDetector(configuration)
    case .isolationForest(var configuration):
      configuration.seed = seed ?? configuration.seed
      return IsolationForest(configuration)
    }
  }
}

/// The detector in a file, whichever kind it is.
///
/// - Throws: `NoveltyError.content` for no detector or one of an unknown kind, `.file`.
public func noveltyDetector(contentsOf path: String) throws(NoveltyError) -> any NoveltyDetector {
  let file = try DetectorFile(path)
  let kinds: [any NoveltyDetector.Type] = [
    OAAE.self, DeepSVDD.self, OCGAN.self, NearestNeighbours.self, MahalanobisDetector.self,
    PrincipalComponents.self, IsolationForest.self, LatentDetector<NearestNeighbours>.self,
    LatentDetector<MahalanobisDetector>.self, LatentDetector<PrincipalComponents>.self,
    LatentDetector<IsolationForest>.self,
  ]
  guard let kind = kinds.first(where: { $0.kind == file.kind }) else {
    let known = kinds.map { $0.kind }.joined(separator: ", ")
    throw .content(path: path, reason: "a detector \(file.kind); known are \(known)")
  }
  return try kind.init(file)
}
