public import Autograd
import Tensor

// How packed layers hand their weights to the kernels that only compute: see `InterleavedMatrix`.

extension PackedLinear: InterleavableLayer {
  /// The layer over interleaved codes; nil where its inputs are rounded by a quantizer of their own,
  /// or where groups are not whole units of 32 inputs.
  public func interleaved(tolerance: Float) -> (any LinearLayer)? {
    guard inputQuantizer == nil else { return nil }
    guard let matrix = weight.interleaved else { return nil }
    return InterleavedLinear(
      weight: matrix,
      bias: bias,
      inputOrder: weight.inputOrder,
      tolerance: tolerance
    )
  }
}

extension QuantizedMatrix {
  /// The codes in the order of the kernels; nil where groups of inputs are not whole units of 32.
  fileprivate var interleaved: InterleavedMatrix? {
    guard case .outputGroups(let size) = scheme.granularity else {
      return InterleavedMatrix(packed)
    }
    return InterleavedMatrix(packed, blockRows: size, scales: stepSizes, zeros: zeroPoints)
  }
}

extension BinaryCodedLinear: InterleavableLayer {
  /// The layer over interleaved signs; nil where groups are not whole units of 32 inputs.
  public func interleaved(tolerance: Float) -> (any LinearLayer)? {
    guard let matrix = InterleavedMatrix(weight.packed) else { return nil }
    return InterleavedLinear(weight: matrix, bias: bias, tolerance: tolerance)
  }
}

extension PEQALinear: InterleavableLayer {
  /// The layer over interleaved codes with the scales of now.
  public func interleaved(tolerance: Float) -> (any LinearLayer)? {
    packed().interleaved(tolerance: tolerance)
  }
}

extension AlphaTuningLinear: InterleavableLayer {
  /// The layer over interleaved signs with the scales of now.
  public func interleaved(tolerance: Float) -> (any LinearLayer)? {
    BinaryCodedLinear(weight: weight, bias: bias).interleaved(tolerance: tolerance)
  }
}
