public import Tensor

/// What the weight [K³ × I × O] of a sparse convolution starts from.
public enum SparseInitializer: String, Codable, Hashable, Sendable {
  /// N(0, 2 / (neighbours · O)), with the number of neighbours that a surface shows a kernel: K² for
  /// kernels that keep the sites, 1 for those between levels.
  ///
  /// Choice: of the K³ offsets only those on the surface meet a site, so counting all of them would
  /// start a network too small.
  case presentNeighbours
  /// N(0, 2 / (K³ · O)): Kaiming's by outputs, as MinkowskiEngine's networks have it.
  case minkowskiEngine
  /// U(±1 / √(I · K³)), as TorchSparse has it.
  case torchSparse

  /// Draws a weight.
  ///
  /// - Parameters:
  ///   - shape: K³ × inputs × outputs.
  ///   - neighbours: the number of sites that a kernel meets on average.
  ///   - generator: the source of the random numbers.
  /// - Returns: a tensor of that shape.
  public func callAsFunction(
    _ shape: Shape,
    neighbours: Int,
    using generator: inout Philox
  ) -> Tensor<Float> {
    expect(shape.rank == 3, "sparse initializer: weights are [K³ × I × O], found \(shape)")
    let (volume, inputs, outputs) = (Float(shape[0]), Float(shape[1]), Float(shape[2]))
    switch self {
    case .presentNeighbours:
      let deviation = (2 / (Float(neighbours) * max(outputs, 1))).squareRoot()
      return .normal(shape, deviation: deviation, using: &generator)
    case .minkowskiEngine:
      let deviation = (2 / (volume * max(outputs, 1))).squareRoot()
      return .normal(shape, deviation: deviation, using: &generator)
    case .torchSparse:
      let bound = 1 / (max(inputs, 1) * volume).squareRoot()
      return .uniform(shape, from: -bound, to: bound, using: &generator)
    }
  }
}
