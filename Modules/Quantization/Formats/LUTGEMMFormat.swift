public import Tensor

/// A linear layer as the kernels of LUT-GEMM read it: binary codes, outputs side by side.
///
/// | tensor | shape | content |
/// |---|---|---|
/// | `packed` | [K/32 × q × N] | bit k mod 32 of word k/32 set where the sign is +1 |
/// | `alpha` | [K/g × q × N] | scales |
/// | `bias` | [K/g × N] | offsets; absent for codes without |
///
/// W[o, k] = bias[k/g, o] + Σ_i alpha[k/g, i, o] · b_i[o, k]. Groups begin at multiples of 32.
///
/// - Source: the packing of LUT-GEMM's official code (Park et al. 2024).
public struct LUTGEMMFormat: Sendable {
  /// Signs as bits [K/32 × q × N].
  public let planes: Tensor<Int32>
  /// Scales [K/g × q × N].
  public let scales: Tensor<Float>
  /// Offsets [K/g × N]; nil where all are 0.
  public let offsets: Tensor<Float>?

  static let name = "the LUT-GEMM format"

  /// The tensors as a file holds them.
  public init(planes: Tensor<Int32>, scales: Tensor<Float>, offsets: Tensor<Float>? = nil) {
    self.planes = planes
    self.scales = scales
    self.offsets = offsets
  }

  /// A matrix in this format.
  ///
  /// - Parameter matrix: inputs, and groups of them, in multiples of 32.
  /// - Throws: `QuantizationError.invalidScheme` where the format has no place for it.
  public init(_ matrix: BinaryCodedMatrix) throws(QuantizationError) {
    let (columns, size) = (matrix.shape[1], matrix.groupSize)
    guard columns > 0, columns % 32 == 0 else {
      throw .invalidScheme("\(Self.name) needs inputs in multiples of 32, found \(columns)")
    }
    guard size % 32 == 0 else {
      throw .invalidScheme("\(Self.name) needs groups in multiples of 32 inputs, found \(size)")
    }
    guard columns % size == 0 else {
      throw .invalidScheme(
        "\(Self.name) has no short last group: \(columns) inputs in groups of \(size)"
      )
    }
    self.init(
      planes: matrix.words.permuted(2, 1, 0),
      scales: matrix.scales.permuted(1, 2, 0),
      offsets: matrix.offsets?.transposed()
    )
  }

  /// The matrix that the tensors hold.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if they do not fit each other.
  public func matrix() throws(QuantizationError) -> BinaryCodedMatrix {
    guard planes.rank == 3, scales.rank == 3, scales.shape[0] > 0,
      BinaryCoding.supportedPlanes.contains(planes.shape[1]),
      planes.shape[1] == scales.shape[1], planes.shape[2] == scales.shape[2],
      planes.shape[0] % scales.shape[0] == 0,
      offsets.map({ $0.shape == [scales.shape[0], scales.shape[2]] }) ?? true
    else {
      throw .invalidScheme(
        "\(Self.name): signs \(planes.shape), scales \(scales.shape) and offsets "
          + "\(offsets?.shape ?? []) do not fit"
      )
    }
    let columns = planes.shape[0] * 32
    return BinaryCodedMatrix(
      columnCount: columns,
      groupSize: max(columns / scales.shape[0], 1),
      words: planes.permuted(2, 1, 0),
      scales: scales.permuted(2, 0, 1),
      offsets: offsets?.transposed()
    )
  }
}
