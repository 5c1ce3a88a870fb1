public import Tensor

/// A model as embedding → blocks → head, whose blocks are built one at a time.
///
///     x₀ = embedding(samples),  x_{l+1} = Block_l(x_l),  logits = head(x_L)
///
/// What works block by block (quantization after training, pruning, distillation) asks no more of a
/// model, and holds one block in memory, not the model.
///
/// - Shapes: samples [S × …]; x [S × …], which may change from block to block; logits [S × … × V].
public protocol BlockStack {
  /// What the model reads: ids of tokens, pixels.
  associatedtype Element: TensorElement

  /// How many blocks there are.
  var blockCount: Int { get }

  /// The states in front of the first block.
  func embedding(_ samples: Tensor<Element>) throws -> Tensor<Float>

  /// Block `index` with the model's own weights: a new one at each call, so that a block whose layers
  /// were replaced can be dropped.
  func block(_ index: Int) throws -> any StackedBlock

  /// What the model makes of the last block's states.
  func head(_ states: Variable) throws -> Variable

  /// The name that a tensor of a block has in the model's checkpoint.
  ///
  /// - Parameters:
  ///   - path: the parameter's path in the block, as `namedParameters()` has it, such as
  ///     `attention.query.weight`.
  ///   - index: the block.
  /// - Returns: a name that no other tensor has.
  func checkpointName(of path: String, inBlock index: Int) -> String
}

/// One block of a `BlockStack`.
public protocol StackedBlock: Module {
  /// The states behind the block; [S × …] to [S × …].
  func callAsFunction(_ states: Variable) -> Variable

  /// The norms that nothing but linear layers reads, with the paths of those layers: where a factor
  /// may move from the norm's output into the weights.
  var normedLayers: [NormedLayers] { get }
}

extension StackedBlock {
  /// None.
  public var normedLayers: [NormedLayers] { [] }
}

/// A norm and the linear layers that alone read what it makes.
public struct NormedLayers {
  /// The norm's scale of each column [K], less `scaleOffset`.
  public let scale: Parameter
  /// 1 where the scale is stored as its difference from 1; else 0.
  public let scaleOffset: Float
  /// The norm's shift of each column [K]; nil for none.
  public let shift: Parameter?
  /// The paths of the layers in the block.
  public let layers: [String]

  /// A norm's parameters and the layers behind it.
  public init(
    scale: Parameter,
    scaleOffset: Float = 0,
    shift: Parameter? = nil,
    layers: [String]
  ) {
    self.scale = scale
    self.scaleOffset = scaleOffset
    self.shift = shift
    self.layers = layers
  }

  /// Divides what the norm makes by `factors` [K].
  public func divide(by factors: Tensor<Float>) {
    scale.value = (scale.value + scaleOffset) / factors - scaleOffset
    if let shift { shift.value = shift.value / factors }
  }
}
