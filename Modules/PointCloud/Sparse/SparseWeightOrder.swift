public import Tensor

/// How other libraries store the kernels of sparse convolutions.
///
/// Here a weight is [K³ × I × O] with k = (ix · K + iy) · K + iz, for indices in the order x, y, z.
public enum SparseWeightOrder: String, Codable, Hashable, Sendable, CaseIterable {
  /// spconv 2: [O × K × K × K × I], with indices given as batch, x, y, z.
  case spconv
  /// spconv 1: [K × K × K × I × O].
  case spconv1
  /// MinkowskiEngine and TorchSparse: [K³ × I × O]; x runs fastest in kernels of odd size and slowest
  /// in those of even size. Kernels of one offset may be matrices [I × O].
  case minkowskiEngine

  /// A weight of another library as a weight of ours [K³ × I × O]; nil if the shape is none of it.
  public func imported(_ weight: Tensor<Float>) -> Tensor<Float>? {
    let extents = weight.shape.extents
    switch self {
    case .spconv:
      guard extents.count == 5, Set(extents[1...3]).count == 1 else { return nil }
      let volume = extents[1] * extents[2] * extents[3]
      return weight.permuted(1, 2, 3, 4, 0).reshaped(to: [volume, extents[4], extents[0]])
    case .spconv1:
      guard extents.count == 5, Set(extents[0...2]).count == 1 else { return nil }
      return weight.reshaped(to: [extents[0] * extents[0] * extents[0], extents[3], extents[4]])
    case .minkowskiEngine:
      if extents.count == 2 { return weight.reshaped(to: [1, extents[0], extents[1]]) }
      guard extents.count == 3 else { return nil }
      guard let size = (1...11).first(where: { $0 * $0 * $0 == extents[0] }) else { return nil }
      guard size % 2 == 1 else { return weight }
      return weight.reshaped(to: [size, size, size, extents[1], extents[2]])
        .permuted(2, 1, 0, 3, 4).reshaped(to: weight.shape)
    }
  }
}
