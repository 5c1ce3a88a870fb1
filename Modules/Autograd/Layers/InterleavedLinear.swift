public import Tensor

/// A linear layer that computes from low-bit codes in the order of the kernels: y = x Ŵᵀ + b.
///
/// It is what layers become when a model is loaded to be used, not to be changed. Layers that read
/// the same input share its rounding, see `outputs(of:by:)`.
///
/// - Shapes: Ŵ [N × K], b [N] or nil, x [… × K], y [… × N].
public final class InterleavedLinear: LinearLayer {
  /// What is allowed unless a caller says otherwise.
  ///
  /// 8 bits cost about half a percent, up to 1.3 where single activations tower above their
  /// neighbours; the units that hold those are rounded again here. SmolLM2-135M on the first 8,192
  /// tokens of WikiText-2, perplexity beside that in floats, and tokens a second of one thread (Zen 5, Q4_0):
  ///
  /// | tolerance | Q4_0 | Q4_1 | a prompt | single tokens |
  /// |---|---|---|---|---|
  /// | 0.02 | +0.34 % | +0.41 % | 1805 | 425 |
  /// | 0.01 | +0.21 % | +0.16 % | 1723 | 423 |
  /// | 0.007 | +0.07 % | +0.09 % | 1607 | 402 |
  /// | 0.005 | −0.01 % | +0.06 % | 1476 | 398 |
  public static let usualTolerance: Float = 0.01

  /// Ŵ.
  public let weight: InterleavedMatrix
  /// b, or nil.
  public let bias: Tensor<Float>?
  /// Which input each stored column takes; nil for the natural order.
  public let inputOrder: Tensor<Int32>?
  /// The largest relative error of an input's rounding; 0 for the precision of floats.
  public var tolerance: Float

  /// A layer over a matrix [N × K] and a bias [N].
  public init(
    weight: InterleavedMatrix,
    bias: Tensor<Float>? = nil,
    inputOrder: Tensor<Int32>? = nil,
    tolerance: Float = usualTolerance
  ) {
    expect(
      (bias?.shape ?? [weight.shape[0]]) == [weight.shape[0]]
        && (inputOrder?.shape ?? [weight.shape[1]]) == [weight.shape[1]],
      "linear: \(weight.shape) with a bias \(bias?.shape ?? []) and an order of inputs "
        + "\(inputOrder?.shape ?? [])"
    )
    self.weight = weight
    self.bias = bias
    self.inputOrder = inputOrder
    self.tolerance = tolerance
  }

  /// K.
  public var inputWidth: Int { weight.shape[1] }
  /// N.
  public var outputWidth: Int { weight.shape[0] }

  /// x Ŵᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    let x = inputOrder.map { input.taking($0, axis: -1) } ?? input
    return weight.product(with: x, bias: bias, tolerance: tolerance)
  }

  /// x Ŵᵀ + b with the gradient of x; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    let (weight, places) = (weight, placesOfInputs)
    return .custom(self(input.value), input: input) { gradient in
      let result = weight.inputGradient(gradient)
      return places.map { result.taking($0, axis: -1) } ?? result
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> {
    let rows = weight.rows(indices)
    return placesOfInputs.map { rows.taking($0, axis: 1) } ?? rows
  }

  /// Where each input's column is stored.
  private var placesOfInputs: Tensor<Int32>? {
    guard let inputOrder else { return nil }
    var places = [Int32](repeating: 0, count: inputOrder.count)
    for (place, input) in inputOrder.elements.enumerated() { places[Int(input)] = Int32(place) }
    return Tensor(places)
  }

  /// What several layers make of one input: one job where all are interleaved, else one after the
  /// other.
  public static func outputs(of x: Variable, by layers: [any LinearLayer]) -> [Variable] {
    var matrices: [(matrix: InterleavedMatrix, bias: Tensor<Float>?)] = []
    var tolerance = Float.infinity
    for layer in layers where !x.isFollowed {
      guard let layer = layer as? InterleavedLinear, layer.inputOrder == nil else { break }
      matrices.append((layer.weight, layer.bias))
      tolerance = min(tolerance, layer.tolerance)
    }
    guard matrices.count == layers.count else { return layers.map { $0(x) } }
    return InterleavedMatrix.products(of: x.value, with: matrices, tolerance: tolerance)
      .map { Variable($0) }
  }
}

/// A layer that can hand its weight to kernels that only compute.
public protocol InterleavableLayer: LinearLayer {
  /// A layer of the same values that computes from interleaved codes; nil where its groups or its
  /// inputs do not allow it.
  func interleaved(tolerance: Float) -> (any LinearLayer)?
}

/// A model's weights as another source has them, interleaved where that is possible.
public struct InterleavedWeights: WeightSource {
  /// Where the weights come from.
  public let source: any WeightSource
  /// The largest relative error of an input's rounding; 0 for the precision of floats.
  public let tolerance: Float

  /// The weights of `source`.
  public init(
    _ source: any WeightSource,
    tolerance: Float = InterleavedLinear.usualTolerance
  ) {
    self.source = source
    self.tolerance = tolerance
  }

  /// Whether the source holds a tensor of that name.
  public func contains(_ name: String) -> Bool { source.contains(name) }

  /// A tensor of floats of the given shape.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try source.tensor(name, shape: shape)
  }

  /// The source's layer, interleaved where it can be.
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let layer = try source.linear(
      name,
      outputWidth: outputWidth,
      inputWidth: inputWidth,
      hasBias: hasBias
    )
    return (layer as? any InterleavableLayer)?.interleaved(tolerance: tolerance) ?? layer
  }

  /// The source's parameter.
  public func parameter(
    _ name: String,
    shape: Shape,
    initial: Initializer
  ) throws -> Parameter {
    try source.parameter(name, shape: shape, initial: initial)
  }
}
