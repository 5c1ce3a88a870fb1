public import Tensor

/// A linear layer as AutoAWQ stores it (version "gemm"): 4 bits, eight outputs a word.
///
/// | tensor | shape | content |
/// |---|---|---|
/// | `qweight` | [K × N/8] | word c: outputs 8c + {0, 2, 4, 6, 1, 3, 5, 7} from the lowest bits up |
/// | `qzeros` | [groups × N/8] | zero points in the same order, as they are |
/// | `scales` | [groups × N] | step sizes, half precision in files |
///
/// - Source: the packing utilities of AutoAWQ 0.2.
public struct AWQFormat: Sendable {
  /// Codes [K × N/8].
  public let codes: Tensor<Int32>
  /// Zero points [groups × N/8].
  public let zeroPoints: Tensor<Int32>
  /// Step sizes [groups × N].
  public let stepSizes: Tensor<Float>

  static let name = "the AWQ format"
  private static let outputs: [Int32] = [0, 2, 4, 6, 1, 3, 5, 7]

  /// The tensors as a file holds them.
  public init(codes: Tensor<Int32>, zeroPoints: Tensor<Int32>, stepSizes: Tensor<Float>) {
    self.codes = codes
    self.zeroPoints = zeroPoints
    self.stepSizes = stepSizes
  }

  /// A matrix in this format.
  ///
  /// - Parameter matrix: rows or groups of inputs, 4 bits, outputs in multiples of 8.
  /// - Throws: `QuantizationError.invalidScheme` where the format has no place for it.
  public init(_ matrix: QuantizedMatrix) throws(QuantizationError) {
    guard matrix.scheme.grid.bits == 4 else {
      throw .invalidScheme("\(Self.name) holds 4 bits, not \(matrix.scheme.grid.bits)")
    }
    guard matrix.inputOrder == nil else {
      throw .invalidScheme("\(Self.name) holds groups of neighbouring inputs only")
    }
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    try matrix.requireMultiple(of: 8, rows, "outputs", Self.name)
    if case .inputGroups(let size) = matrix.scheme.granularity {
      try matrix.requireMultiple(of: size, columns, "inputs", Self.name)
    }
    let grids = try matrix.gridsOfInputGroups(Self.name)
    self.init(
      codes: Self.packing(matrix.codes().transposed()),
      zeroPoints: Self.packing(grids.zeroPoints.transposed()),
      stepSizes: grids.stepSizes.transposed()
    )
  }

  /// The matrix that the tensors hold.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if they do not fit each other.
  public func matrix() throws(QuantizationError) -> QuantizedMatrix {
    let (columns, groups, rows) = (codes.shape[0], stepSizes.shape[0], stepSizes.shape[1])
    guard codes.shape == [columns, rows / 8], zeroPoints.shape == [groups, rows / 8],
      groups > 0, columns % groups == 0
    else {
      throw .invalidScheme(
        "\(Self.name): codes \(codes.shape), zero points \(zeroPoints.shape) and step sizes "
          + "\(stepSizes.shape) do not fit"
      )
    }
    return QuantizedMatrix(
      codes: Self.unpacking(codes, count: rows).transposed(),
      stepSizes: stepSizes.transposed(),
      zeroPoints: Self.unpacking(zeroPoints, count: rows).transposed(),
      scheme: try WeightScheme(
        grid: QuantizationGrid(bits: 4),
        granularity: CodeWords.granularity(of: groups, inputs: columns, size: columns / groups)
      )
    )
  }

  /// The output at each place of `count`.
  private static func order(_ count: Int) -> Tensor<Int32> {
    Tensor((0..<Int32(count)).map { $0 / 8 * 8 + outputs[Int($0 % 8)] })
  }

  private static func packing(_ values: Tensor<UInt8>) -> Tensor<Int32> {
    CodeWords.packing(values.taking(order(values.shape[1]), axis: 1), bits: 4)
  }

  private static func unpacking(_ words: Tensor<Int32>, count: Int) -> Tensor<UInt8> {
    var places = [Int32](repeating: 0, count: count)
    for (place, output) in order(count).elements.enumerated() { places[Int(output)] = Int32(place) }
    return CodeWords.unpacking(words, bits: 4, count: count).taking(Tensor(places), axis: 1)
  }
}
