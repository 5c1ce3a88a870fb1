package import ModelSupport
package import Transformer

/// How models are served.
package struct ServingSettings: Sendable {
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
  package var isLocal: Bool
  /// The key that requests must have; nil for none.
  package var key: String?

  /// Settings; of what nobody says otherwise the command has its defaults.
  package init(
    parallel: Int,
    queue: Int,
    context: Int?,
    memory: Int,
    computation: Computation,
    precision: KeyValueCache.Precision?,
    sharesBase: Bool,
    allowsLoading: Bool,
    isLocal: Bool,
    key: String?
  ) {
    (self.parallel, self.queue, self.context) = (parallel, queue, context)
    (self.memory, self.computation, self.precision) = (memory, computation, precision)
    (self.sharesBase, self.allowsLoading, self.isLocal) = (sharesBase, allowsLoading, isLocal)
    self.key = key
  }

  /// The bytes that models may need where nobody says otherwise.
  package static var availableMemory: Int { ModelMemory.available }

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
