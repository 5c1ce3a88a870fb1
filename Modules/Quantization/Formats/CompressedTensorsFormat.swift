public import Tensor

/// A linear layer as compressed-tensors stores it (`pack-quantized`).
///
/// | tensor | shape | content |
/// |---|---|---|
/// | `weight_packed` | [N × ⌈K·b/32⌉] | codes in dense words along the inputs |
/// | `weight_scale` | [N × groups] | step sizes |
/// | `weight_shape` | [2] | N, K |
/// | `weight_zero_point` | [⌈N·b/32⌉ × groups] | zero points in dense words along the outputs; asymmetric only |
///
/// The format counts codes and zero points from −2^(b−1) and stores them plus 2^(b−1): the numbers of
/// a `QuantizedMatrix`. Dense words are those of library version 0.20; older ones differ where b does
/// not divide 32.
///
/// - Source: compressed-tensors 0.20.
public struct CompressedTensorsFormat: Sendable {
  /// Bits of a code.
  public let bits: Int
  /// Codes [N × ⌈K·b/32⌉].
  public let codes: Tensor<Int32>
  /// Step sizes [N × groups].
  public let stepSizes: Tensor<Float>
  /// [N × K].
  public let shape: Shape
  /// Zero points [⌈N·b/32⌉ × groups]; nil for symmetric grids.
  public let zeroPoints: Tensor<Int32>?

  static let name = "compressed-tensors"

  /// The tensors as a file holds them.
  public init(
    bits: Int,
    codes: Tensor<Int32>,
    stepSizes: Tensor<Float>,
    shape: Shape,
    zeroPoints: Tensor<Int32>?
  ) {
    self.bits = bits
    self.codes = codes
    self.stepSizes = stepSizes
    self.shape = shape
    self.zeroPoints = zeroPoints
  }

  /// A matrix in this format.
  ///
  /// - Parameter matrix: rows, or groups that divide the inputs.
  /// - Throws: `QuantizationError.invalidScheme` where the format has no place for it.
  public init(_ matrix: QuantizedMatrix) throws(QuantizationError) {
    guard matrix.inputOrder == nil else {
      throw .invalidScheme("\(Self.name) holds groups of neighbouring inputs only")
    }
    if case .inputGroups(let size) = matrix.scheme.granularity {
      try matrix.requireMultiple(of: size, matrix.shape[1], "inputs", Self.name)
    }
    let grids = try matrix.gridsOfInputGroups(Self.name)
    let bits = matrix.scheme.grid.bits
    self.init(
      bits: bits,
      codes: matrix.words,
      stepSizes: grids.stepSizes,
      shape: matrix.shape,
      zeroPoints: matrix.zeroPoints == nil
        ? nil : CodeWords.packing(grids.zeroPoints.transposed(), bits: bits).transposed()
    )
  }

  /// The matrix that the tensors hold.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if they do not fit each other.
  public func matrix() throws(QuantizationError) -> QuantizedMatrix {
    let groups = stepSizes.rank == 2 ? stepSizes.shape[1] : 0
    guard shape.rank == 2, groups > 0, stepSizes.shape[0] == shape[0],
      codes.shape == [shape[0], PackedRows.wordCount(codes: shape[1], bits: bits)],
      zeroPoints == nil
        || zeroPoints?.shape == [PackedRows.wordCount(codes: shape[0], bits: bits), groups]
    else {
      throw .invalidScheme(
        "\(Self.name): codes \(codes.shape) and step sizes \(stepSizes.shape) do not fit a weight "
          + "\(shape) of \(bits) bits"
      )
    }
    return QuantizedMatrix(
      codes: CodeWords.unpacking(codes, bits: bits, count: shape[1]),
      stepSizes: stepSizes,
      zeroPoints: zeroPoints.map {
        CodeWords.unpacking($0.transposed(), bits: bits, count: shape[0]).transposed()
      },
      scheme: try WeightScheme(
        grid: QuantizationGrid(bits: bits, isSymmetric: zeroPoints == nil),
        granularity: CodeWords.granularity(of: groups, inputs: shape[1], size: nil)
      )
    )
  }
}
