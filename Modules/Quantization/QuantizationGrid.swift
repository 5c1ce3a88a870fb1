import Tensor

/// The integers that weights are rounded to: codes 0 … 2^bits − 1 with a step size and a zero point.
///
///     value = s · (code − z)
///
/// - Source: the `Quantizer` of GPTQ's official code: the range always includes zero, so zero is
///   exact, and the zero point needs no clamp.
public struct QuantizationGrid: Codable, Hashable, Sendable {
  /// The widths that can be packed.
  public static let supportedBits = 1...8

  /// Bits of a code, 1 to 8.
  public let bits: Int
  /// Whether the range is the same on both sides of zero; the zero point is then 2^(bits−1).
  public let isSymmetric: Bool

  /// A grid of 2^bits codes.
  ///
  /// - Throws: `QuantizationError.invalidScheme` unless 1 ≤ bits ≤ 8.
  public init(bits: Int, isSymmetric: Bool = false) throws(QuantizationError) {
    guard Self.supportedBits.contains(bits) else {
      throw .invalidScheme("\(bits) bits cannot be packed; choose 1 to 8")
    }
    self.bits = bits
    self.isSymmetric = isSymmetric
  }

  /// 2^bits − 1, the largest code.
  public var maximumCode: Int { (1 << bits) - 1 }

  /// The zero point of symmetric grids, 2^(bits−1).
  public var middleCode: Int { 1 << (bits - 1) }

  /// The range [mn, mx] that a group of weights asks for: zero included, mirrored if symmetric.
  func range(covering minimum: Float, _ maximum: Float) -> (minimum: Float, maximum: Float) {
    var (mn, mx) = (min(minimum, 0), max(maximum, 0))
    if isSymmetric {
      mx = max(-mn, mx)
      mn = -mx
    }
    // A group of zeros: any grid that holds zero will do.
    if mn == 0 && mx == 0 { (mn, mx) = (-1, 1) }
    return (mn, mx)
  }

  /// The zero point for a range that begins at `minimum`, with step size `s`.
  func zeroPoint(minimum: Float, stepSize: Float) -> Float {
    if isSymmetric { return Float(middleCode) }
    let zero = (-minimum / stepSize).rounded(.toNearestOrEven)
    // A step size that was rounded down for storage can push the zero point one past the end.
    return min(max(zero, 0), Float(maximumCode))
  }
}

/// Which weights share a step size and a zero point.
public enum Granularity: Codable, Hashable, Sendable {
  /// All of a matrix.
  case tensor
  /// Each output channel (row) its own.
  case outputChannel
  /// Groups of that many consecutive inputs inside each row; the last one may be shorter.
  case inputGroups(Int)
  /// Groups of that many consecutive outputs inside each column; the last one may be shorter.
  case outputGroups(Int)

  /// Which elements of a weight [N × K] form a group.
  func layout(for shape: Shape) -> GroupLayout {
    let (rows, columns) = (shape[0], shape[1])
    let (height, width) =
      switch self {
      case .tensor: (rows, columns)
      case .outputChannel: (1, columns)
      case .inputGroups(let size): (1, size)
      case .outputGroups(let size): (size, 1)
      }
    return GroupLayout(
      rowCount: rows,
      columnCount: columns,
      rowsPerGroup: height,
      columnsPerGroup: width
    )
  }

  /// The shape of the step sizes for a weight [N × K].
  func scaleShape(for shape: Shape) -> Shape {
    // An empty matrix per tensor still has its one step size.
    self == .tensor ? [1, 1] : layout(for: shape).shape
  }
}
