import Autograd
import PointCloud
import Quantization
import Tensor

/// A layer of a segmentation network as codes.
///
/// A sparse convolution's weight [K³ × I × O] is that of a convolution with K³ taps: its codes are the
/// matrix [O × I·K³], so that an output channel is a row. A linear layer's weight is its own matrix.
struct PackedLayer {
  /// The name of the weight in the network: `backbone.stem.0.convolution.weight`.
  let parameter: String
  /// The shape of the weight: [K³ × I × O] or [N × K].
  let shape: Shape
  /// Its codes.
  let matrix: QuantizedMatrix

  /// The name of the layer, under which its tensors lie in a file.
  var name: String { Self.layerName(of: parameter) }

  /// The numbers that the codes stand for, in the shape of the weight.
  var weight: Tensor<Float> {
    let values = matrix.dequantized()
    guard shape.rank == 3 else { return values }
    return values.reshaped(to: [shape[2], shape[1], shape[0]]).permuted(2, 1, 0)
  }

  /// The shape of the codes' matrix for a weight of a shape.
  static func matrixShape(of weight: Shape) -> Shape {
    weight.rank == 3 ? [weight[2], weight[1] * weight[0]] : weight
  }

  static func layerName(of parameter: String) -> String {
    parameter.hasSuffix(".weight") ? String(parameter.dropLast(7)) : parameter
  }
}

extension Tensor where Element == Float {
  /// A sparse convolution's weight [K³ × I × O] as that of a convolution [O × I × K³ × 1].
  var asConvolution: Tensor<Float> {
    permuted(2, 1, 0).reshaped(to: [shape[2], shape[1], shape[0], 1])
  }
}

extension Variable {
  /// A convolution's weight [O × I × K³ × 1] as that of a sparse one [K³ × I × O].
  var asSparseWeight: Variable {
    reshaped(to: [shape[0], shape[1], shape[2]]).permuted(2, 1, 0)
  }
}
