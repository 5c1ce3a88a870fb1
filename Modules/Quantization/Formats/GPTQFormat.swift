public import Tensor

/// A linear layer as AutoGPTQ and GPT-QModel store it.
///
/// | tensor | shape | content |
/// |---|---|---|
/// | `qweight` | [K·b/32 × N] | codes in dense words along the inputs |
/// | `qzeros` | [groups × N·b/32] | zero points in dense words along the outputs, less one in version 1 |
/// | `scales` | [groups × N] | step sizes, half precision in files |
/// | `g_idx` | [K] | the group of each input |
///
/// W[o, i] = scales[g_idx[i], o] · (code[i, o] − zero[g_idx[i], o]).
///
/// - Source: the packer of AutoGPTQ 0.7 (version 1, `"checkpoint_format": "gptq"`) and GPT-QModel
///   (version 2, `"gptq_v2"`).
public struct GPTQFormat: Sendable {
  /// How zero points are stored.
  public enum Version: Int, Codable, Hashable, Sendable {
    /// Less one: a zero point of 0 has no place.
    case one = 1
    /// As they are.
    case two = 2
  }

  /// How zero points are stored.
  public let version: Version
  /// Bits of a code: 2, 3, 4 or 8.
  public let bits: Int
  /// Codes [K·b/32 × N].
  public let codes: Tensor<Int32>
  /// Zero points [groups × N·b/32].
  public let zeroPoints: Tensor<Int32>
  /// Step sizes [groups × N].
  public let stepSizes: Tensor<Float>
  /// The group of each input [K].
  public let groupIndices: Tensor<Int32>

  /// The tensors as a file holds them.
  public init(
    version: Version,
    bits: Int,
    codes: Tensor<Int32>,
    zeroPoints: Tensor<Int32>,
    stepSizes: Tensor<Float>,
    groupIndices: Tensor<Int32>
  ) {
    self.version = version
    self.bits = bits
    self.codes = codes
    self.zeroPoints = zeroPoints
    self.stepSizes = stepSizes
    self.groupIndices = groupIndices
  }

  static let name = "the GPTQ format"

  /// A matrix in this format.
  ///
  /// - Parameters:
  ///   - matrix: rows or groups of inputs, 2, 3, 4 or 8 bits, extents in multiples of 32.
  ///   - version: nil for 1, which most readers know, unless a zero point is 0.
  /// - Throws: `QuantizationError.invalidScheme` where the format has no place for it.
  public init(_ matrix: QuantizedMatrix, version: Version? = nil) throws(QuantizationError) {
    let bits = matrix.scheme.grid.bits
    guard [2, 3, 4, 8].contains(bits) else {
      throw .invalidScheme("\(Self.name) holds 2, 3, 4 or 8 bits, not \(bits)")
    }
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    try matrix.requireMultiple(of: 32, columns, "inputs", Self.name)
    try matrix.requireMultiple(of: 32, rows, "outputs", Self.name)
    if case .inputGroups(let size) = matrix.scheme.granularity, size < columns {
      try matrix.requireMultiple(of: size, columns, "inputs, with groups of \(size),", Self.name)
    }
    let grids = try matrix.gridsOfInputGroups(Self.name)
    let hasZero = grids.zeroPoints.elements.contains(0)
    let version = version ?? (hasZero ? .two : .one)
    guard version == .two || !hasZero else {
      throw .invalidScheme(
        "version 1 of \(Self.name) has no zero point 0, which this layer has; take version 2"
      )
    }
    let offset: UInt8 = version == .one ? 1 : 0
    let stored = Tensor(
      grids.zeroPoints.elements.map { $0 - offset },
      shape: grids.zeroPoints.shape
    )
    let size =
      if case .inputGroups(let size) = matrix.scheme.granularity { size } else { columns }
    var groups = [Int32](repeating: 0, count: columns)
    let order = matrix.inputOrder?.elements ?? (0..<Int32(columns)).map { $0 }
    for (place, input) in order.enumerated() { groups[Int(input)] = Int32(place / size) }
    self.init(
      version: version,
      bits: bits,
      codes: CodeWords.packing(matrix.codes(), bits: bits).transposed(),
      zeroPoints: CodeWords.packing(stored.transposed(), bits: bits),
      stepSizes: grids.stepSizes.transposed(),
      groupIndices: Tensor(groups)
    )
  }

  /// The matrix that the tensors hold.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if they do not fit each other.
  public func matrix() throws(QuantizationError) -> QuantizedMatrix {
    let (columns, groups) = (groupIndices.count, stepSizes.shape[0])
    let rows = stepSizes.shape[1]
    guard codes.shape == [columns * bits / 32, rows],
      zeroPoints.shape == [groups, rows * bits / 32],
      groupIndices.elements.allSatisfy({ $0 >= 0 && $0 < groups })
    else {
      throw .invalidScheme(
        "\(Self.name): codes \(codes.shape), zero points \(zeroPoints.shape), step sizes "
          + "\(stepSizes.shape) and \(columns) inputs do not fit"
      )
    }
    let mask = UInt8((1 << bits) - 1)
    let stored = CodeWords.unpacking(zeroPoints, bits: bits, count: rows)
    let offset: UInt8 = version == .one ? 1 : 0
    let zeros = Tensor(stored.elements.map { ($0 &+ offset) & mask }, shape: stored.shape)
    let indices = groupIndices.elements
    let order = (0..<Int32(columns)).sorted { left, right in
      let (a, b) = (indices[Int(left)], indices[Int(right)])
      return a == b ? left < right : a < b
    }
    let isNatural = order == (0..<Int32(columns)).map { $0 }
    // All groups but the last are as large as the first.
    let size = groups == 1 ? columns : indices.reduce(0) { $0 + ($1 == 0 ? 1 : 0) }
    guard size > 0, order.enumerated().allSatisfy({ Int(indices[Int($1)]) == $0 / size }) else {
      throw .invalidScheme("\(Self.name): groups of unequal sizes are not supported")
    }
    let plain = CodeWords.unpacking(codes.transposed(), bits: bits, count: columns)
    return QuantizedMatrix(
      codes: isNatural ? plain : plain.taking(Tensor(order), axis: 1),
      stepSizes: stepSizes.transposed(),
      zeroPoints: zeros.transposed(),
      scheme: try WeightScheme(
        grid: QuantizationGrid(bits: bits),
        granularity: CodeWords.granularity(of: groups, inputs: columns, size: size)
      ),
      inputOrder: isNatural ? nil : Tensor(order)
    )
  }
}
