public import Tensor

/// Anything that maps the last axis by a matrix: y = x Wᵀ + b.
///
/// `Linear` is the dense trainable layer, `FrozenLinear` holds weights in the storage they came in;
/// packed and scale-tuned ones live in Quantization. Models hold `any LinearLayer`, so that one can
/// take the place of another.
public protocol LinearLayer: Module, Layer {
  /// The extent of the input's last axis, K.
  var inputWidth: Int { get }
  /// The extent of the output's last axis, N.
  var outputWidth: Int { get }

  /// x Wᵀ + b without gradients.
  ///
  /// - Shapes: input [… × K], result [… × N].
  func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float>

  /// x Wᵀ + b, on the tape where a gradient is wanted.
  ///
  /// - Shapes: input [… × K], result [… × N].
  func callAsFunction(_ input: Variable) -> Variable

  /// Rows of W as floats: what an embedding that shares its matrix with the head looks up.
  ///
  /// - Shapes: indices of [0, N), result [indices.count × K].
  func weightRows(_ indices: [Int32]) -> Tensor<Float>

  /// Rows of W by their number, on the tape where W is trained: an embedding.
  ///
  /// - Shapes: ids […] of [0, N), result [… × K].
  func embedding(of ids: Tensor<Int32>) -> Variable
}

extension LinearLayer {
  /// The rows of a W that is not trained.
  public func embedding(of ids: Tensor<Int32>) -> Variable {
    Variable(weightRows(ids.elements).reshaped(to: Shape(ids.shape.extents + [inputWidth])))
  }
}

/// A module that publishes the linear layers which another may replace: quantized, adapted, pruned.
///
///     public final class AttentionBlock: LinearLayerOwner {
///       public var query: any LinearLayer
///       public var output: any LinearLayer
///       public static var linearLayers: [LinearLayerPath<AttentionBlock>] {
///         [("query", \.query), ("output", \.output)]
///       }
///     }
public protocol LinearLayerOwner: Module {
  /// The layers that may be replaced, in execution order: the names by which reflection finds them
  /// and the key paths to them.
  static var linearLayers: [LinearLayerPath<Self>] { get }
}

/// A replaceable linear layer of a module: its name and where it is stored.
public typealias LinearLayerPath<Owner> = (
  String, ReferenceWritableKeyPath<Owner, any LinearLayer>
)
