/// What a sample's novelty is measured by, for z = E(x), x̂ = D(z), ẑ = E(x̂).
public enum NoveltyScore: String, Codable, Hashable, Sendable, CaseIterable {
  /// OAAE's: the angle between z and ẑ, in radians.
  case angle
  /// ‖z − ẑ‖².
  case latentL2
  /// ‖(z − ẑ − μ) V S⁻¹‖², whitened by the changes of normals.
  case latentWhitened
  /// ‖x − x̂‖².
  case reconstruction
  /// RaPP's simple aggregation: Σ ‖h(x) − h(x̂)‖² over the input and every layer of the encoder.
  case sap
  /// RaPP's normalized aggregation: all those differences, whitened by the normals'.
  case nap
  /// 1 − max_c ‖V_cᵀ z‖ / ‖z‖, V_c the leading directions of a class; needs classes.
  case subspace
  /// Angle and reconstruction, each standardized by the normals, added.
  case combined

  /// The score of a name.
  ///
  /// - Throws: `NoveltyError.unknownScore` with the known names.
  public init(named name: String) throws(NoveltyError) {
    guard let score = Self.allCases.first(where: { $0.rawValue == name }) else {
      throw .unknownScore(name: name, known: Self.allCases.map(\.rawValue))
    }
    self = score
  }

  /// Whether ẑ is needed.
  var usesReencoding: Bool {
    switch self {
    case .reconstruction, .subspace: false
    case .angle, .latentL2, .latentWhitened, .sap, .nap, .combined: true
    }
  }

  /// Whether every layer of the encoder counts.
  var usesPath: Bool { self == .sap || self == .nap }
}
