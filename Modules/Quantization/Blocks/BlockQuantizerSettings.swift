import Tensor

/// How the blocks of a model are quantized.
public struct BlockQuantizerSettings: Codable, Hashable, Sendable {
  /// What a block reads while its rounding is found.
  public enum Prefix: String, Codable, Hashable, Sendable, CaseIterable {
    /// What the quantized blocks before it make: later blocks make up for earlier errors.
    case quantized
    /// What the original blocks before it make.
    case original
  }

  /// What the last block's rounding is learned against.
  public enum LastBlockLoss: String, Codable, Hashable, Sendable, CaseIterable {
    /// The squared error of its states, as for the others.
    case squaredError = "squared-error"
    /// The cross-entropy of the head's distributions, from the original to the quantized ones.
    case crossEntropy = "cross-entropy"
  }

  /// The scheme of layers whose name matches; the first match counts.
  public struct Exception: Codable, Hashable, Sendable {
    /// A part of the layer's name in the checkpoint.
    public var namePart: String
    /// Its scheme; nil keeps the layer as it is.
    public var scheme: WeightScheme?

    /// An exception.
    public init(namePart: String, scheme: WeightScheme?) {
      (self.namePart, self.scheme) = (namePart, scheme)
    }
  }

  /// How codes are chosen.
  public var method: RoundingMethod
  /// What the layers of the blocks are rounded to.
  public var scheme: WeightScheme
  /// Layers with another scheme, or none.
  public var exceptions: [Exception]
  /// What the layers' inputs are rounded to; nil for nothing.
  public var activations: ActivationScheme?
  /// Whether inputs are rounded while rounding is learned, or only afterwards as in the official code.
  public var learnsWithActivations: Bool
  /// Moves outliers of activations into the weights first; nil for no.
  public var smoothing: SmoothQuant?
  /// What a block reads.
  public var prefix: Prefix
  /// What the last block is learned against.
  public var lastBlockLoss: LastBlockLoss
  /// The samples of one forward pass.
  public var batchSize: Int
  /// The seed of everything that is drawn.
  public var seed: UInt64

  /// Settings with the papers' defaults.
  public init(
    method: RoundingMethod,
    scheme: WeightScheme,
    exceptions: [Exception] = [],
    activations: ActivationScheme? = nil,
    learnsWithActivations: Bool = true,
    smoothing: SmoothQuant? = nil,
    prefix: Prefix = .quantized,
    lastBlockLoss: LastBlockLoss = .squaredError,
    batchSize: Int = 4,
    seed: UInt64 = 0
  ) {
    expect(batchSize > 0, "block quantizer: \(batchSize) samples at once")
    self.method = method
    self.scheme = scheme
    self.exceptions = exceptions
    self.activations = activations
    self.learnsWithActivations = learnsWithActivations
    self.smoothing = smoothing
    self.prefix = prefix
    self.lastBlockLoss = lastBlockLoss
    self.batchSize = batchSize
    self.seed = seed
  }

  /// The scheme of the layer of that name in the checkpoint; nil if it stays as it is.
  public func scheme(of name: String) -> WeightScheme? {
    for exception in exceptions where name.contains(exception.namePart) { return exception.scheme }
    return scheme
  }
}
