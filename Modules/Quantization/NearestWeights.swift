public import Autograd
public import Tensor

/// A model's weights in full precision, of which chosen layers are rounded to nearest as they are
/// asked for.
///
/// One layer at a time is in memory as floats, so a model is quantized while it is built, without a
/// file. The codes are those that `CheckpointQuantizer` writes for the same scheme.
public struct NearestWeights: QuantizedWeightSource {
  /// What the layers are rounded to.
  public let scheme: WeightScheme
  /// Where all weights come from.
  public let dense: any WeightSource
  private let layers: Set<String>
  private let willRound: (_ layer: String) throws -> Void

  /// Weights that are rounded.
  ///
  /// - Parameters:
  ///   - dense: the weights in full precision.
  ///   - scheme: what the layers are rounded to.
  ///   - layers: the names of the layers that are rounded.
  ///   - willRound: gets the name of each before it is rounded; what it throws ends the building.
  public init(
    _ dense: any WeightSource,
    scheme: WeightScheme,
    layers: some Sequence<String>,
    willRound: @escaping (_ layer: String) throws -> Void = { _ in }
  ) {
    self.dense = dense
    self.scheme = scheme
    self.layers = Set(layers)
    self.willRound = willRound
  }

  /// Whether the source holds a tensor of that name.
  public func contains(_ name: String) -> Bool { dense.contains(name) }

  /// Whether the weight of that layer is rounded.
  public func isPacked(_ layer: String) -> Bool { layers.contains(layer) }

  /// The codes of a layer.
  ///
  /// - Throws: `QuantizationError.notFinite`, or what the source throws.
  public func matrix(_ layer: String, shape: Shape) throws -> QuantizedMatrix {
    try willRound(layer)
    let weight = try dense.tensor(layer + ".weight", shape: shape)
    return try RoundToNearest(scheme).quantize(weight, layer: layer).matrix
  }
}
