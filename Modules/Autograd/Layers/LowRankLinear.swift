public import Tensor

/// A linear layer that stays as it is, and a product of two narrow matrices that is trained beside it.
///
///     y = base(x) + (α/r) · (x Aᵀ) Bᵀ
///
/// A starts as torch starts a layer's weight and B at zero, so the new layer computes what the base
/// does. The base may be of any kind, packed ones included: its parameters are frozen wherever else
/// they serve, and the gradient passes through it to the input.
///
///     try model.replaceLayer(at: path, with: LowRankLinear(layer, rank: 8, using: &generator))
///
/// The parameters are called `down` (A) and `up` (B); those of the base are below `base`.
///
/// - Shapes: A [r × K], B [N × r], x [… × K], y [… × N].
/// - Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1.
///   Deviation: A starts from Kaiming's uniform numbers for a slope of √5, as in the authors' code and
///   in peft, where the paper has normal ones.
/// - Complexity: O(r (K + N)) a row beside the base.
public final class LowRankLinear: LinearLayer {
  /// The layer that is not trained.
  public let base: any LinearLayer
  /// A [r × K].
  public let down: Parameter
  /// B [N × r].
  public let up: Parameter
  /// α, by which the product is scaled together with the rank.
  public let alpha: Float

  /// A layer over given matrices; freezes the parameters of the base.
  ///
  /// - Parameters:
  ///   - base: the layer that is not trained, K to N.
  ///   - down: A [r × K].
  ///   - up: B [N × r].
  ///   - alpha: α; nil for r, which scales nothing.
  public init(
    _ base: any LinearLayer,
    down: Parameter,
    up: Parameter,
    alpha: Float? = nil
  ) {
    expect(
      down.shape.rank == 2 && up.shape.rank == 2 && down.shape[0] > 0
        && down.shape[0] == up.shape[1] && down.shape[1] == base.inputWidth
        && up.shape[0] == base.outputWidth,
      "low-rank linear: [r × K] and [N × r] must fit the base, \(down.shape) · \(up.shape) · "
        + "\(Shape([base.outputWidth, base.inputWidth]))"
    )
    self.base = base
    self.down = down
    self.up = up
    self.alpha = alpha ?? Float(down.shape[0])
    base.freeze()
  }

  /// A layer that starts as its base.
  ///
  /// - Parameters:
  ///   - base: the layer that is not trained.
  ///   - rank: r, at least 1.
  ///   - alpha: α; nil for r.
  ///   - generator: the source of A's numbers.
  public convenience init(
    _ base: any LinearLayer,
    rank: Int,
    alpha: Float? = nil,
    using generator: inout Philox
  ) {
    expect(rank > 0, "low-rank linear: the rank is \(rank), at least 1 is needed")
    self.init(
      base,
      down: Parameter(Initializer.layerDefault([rank, base.inputWidth], using: &generator)),
      up: Parameter(.zeros([base.outputWidth, rank])),
      alpha: alpha
    )
  }

  /// r.
  public var rank: Int { down.shape[0] }
  /// α/r.
  public var scale: Float { alpha / Float(rank) }
  /// K.
  public var inputWidth: Int { base.inputWidth }
  /// N.
  public var outputWidth: Int { base.outputWidth }

  /// The layer's result without gradients; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    let narrow = input.linear(weight: down.value, bias: nil) * scale  // [… × r]
    var result = base(input)
    result += narrow.linear(weight: up.value, bias: nil)
    return result
  }

  /// The layer's result, with the gradients of A, B and x; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    let narrow = linear(input, weight: down.variable) * scale  // [… × r]
    return base(input) + linear(narrow, weight: up.variable)
  }

  /// The rows `indices` of W + (α/r) B A.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> {
    base.weightRows(indices) + (up.value.rows(indices) * scale).matmul(down.value)
  }

  /// The rows `ids` of W + (α/r) B A, with the gradients of A and B.
  public func embedding(of ids: Tensor<Int32>) -> Variable {
    let flat = ids.reshaped(to: [ids.count])
    let narrow = up.variable.embedding(of: flat) * scale  // [n × r]
    let rows = base.embedding(of: ids)
    return rows + narrow.matmul(down.variable).reshaped(to: rows.shape)
  }

  /// W + (α/r) B A [N × K], which a plain layer needs to compute the same.
  public func merged() -> Tensor<Float> { denseWeight() }
}

extension LinearLayer {
  /// All rows of W as floats [N × K].
  public func denseWeight() -> Tensor<Float> { weightRows((0..<outputWidth).map { Int32($0) }) }

  /// b [N]: what the layer makes of zeros.
  public func denseBias() -> Tensor<Float> {
    self(Tensor<Float>.zeros([1, inputWidth])).reshaped(to: [outputWidth])
  }
}
