import Tensor

/// Which sites a kernel brings together: the indices of a sparse convolution.
///
/// Offset k of the kernel takes input row inputs[i] to output row outputs[i] for every i of
/// starts[k] ..< starts[k + 1]; within an offset both ascend. Maps belong to the sites they were made
/// for, which keep them.
///
/// - Source: Graham et al. 2018, "3D Semantic Segmentation with Submanifold Sparse Convolutional
///   Networks".
public struct KernelMap: Sendable {
  /// The pairs from input to output.
  let forward: SparsePairs
  /// The pairs from output to input: what gradients and inverse convolutions follow.
  let backward: SparsePairs

  init(_ pairs: SparsePairs) {
    forward = pairs
    backward = pairs.reversed
  }

  /// K³, the number of offsets.
  public var kernelVolume: Int { forward.kernelVolume }
  /// Where the pairs of each offset start [K³ + 1].
  public var starts: [Int32] { forward.starts }
  /// The input row of each pair.
  public var inputs: [Int32] { forward.inputs }
  /// The output row of each pair.
  public var outputs: [Int32] { forward.outputs }
  /// The rows of the input.
  public var inputCount: Int { forward.inputCount }
  /// The rows of the output.
  public var outputCount: Int { forward.outputCount }
  /// The number of pairs: a convolution multiplies so many pairs of channels.
  public var pairCount: Int { forward.count }

  /// The pairs in the direction of a convolution.
  func pairs(_ direction: SparseDirection) -> SparsePairs {
    switch direction {
    case .forward: forward
    case .inverse: backward
    }
  }
}

/// Which way a convolution follows a kernel map.
public enum SparseDirection: Hashable, Sendable {
  /// From the input sites of the map to its output sites.
  case forward
  /// From the output sites back to the input sites.
  case inverse

  /// The other way.
  var reversed: SparseDirection { self == .forward ? .inverse : .forward }
}
