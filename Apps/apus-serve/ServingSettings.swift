import ModelSupport
import Transformer

/// How models are served.
struct ServingSettings: Sendable {
  /// The texts that a model writes at once.
  var parallel: Int
  /// The texts that may wait.
  var queue: Int
  /// The most tokens of a text; nil for the usual number.
  var context: Int?
  /// The bytes of all models.
  var memory: Int
  var computation: Computation
  var precision: KeyValueCache.Precision?
  /// Whether tasks of scales are rows of one model, and not models of their own.
  var sharesBase: Bool
  /// Whether requests may load and unload models.
  var allowsLoading: Bool
  /// Whether the server listens for this machine alone.
  var isLocal: Bool
  /// The key that requests must have; nil for none.
  var key: String?

  /// Longer contexts must be asked for: their caches are what fills the memory.
  static let usualContext = 4096
  /// The tokens of a pass: what a long prompt may delay others by.
  static let passLength = 256
  /// The bytes of a request's body.
  static let bodyLimit = 8 << 20

  /// The most tokens of a text of a model.
  func contextLength(_ model: PretrainedModel) -> Int {
    min(context ?? Self.usualContext, model.configuration.contextLength)
  }
}
