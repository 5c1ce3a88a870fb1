public import Tensor

/// Anything that maps the last axis by a matrix: y = x Wᵀ + b.
///
/// The dense layer is `Linear`; packed and scale-tuned ones live in Quantization. Models hold
/// `any LinearLayer`, so that one can take the place of another.
public protocol LinearLayer: AnyObject {
  /// The extent of the input's last axis, K.
  var inputWidth: Int { get }
  /// The extent of the output's last axis, N.
  var outputWidth: Int { get }

  /// x Wᵀ + b.
  ///
  /// - Shapes: input [… × K], result [… × N].
  func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float>

  /// Rows of W as floats: what an embedding that shares its matrix with the head looks up.
  ///
  /// - Shapes: indices of [0, N), result [indices.count × K].
  func weightRows(_ indices: [Int32]) -> Tensor<Float>
}
