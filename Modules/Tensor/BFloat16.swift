/// The upper 16 bits of a `Float`: its range with 8 bits of precision.
///
/// Storage only; convert to `Float` to compute.
@frozen
public struct BFloat16: Hashable, Sendable, BitwiseCopyable, TensorElement {
  /// The sign, eight exponent bits and seven fraction bits.
  public var bitPattern: UInt16

  /// The value with these bits.
  public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// The nearest value, ties to even; overflow becomes infinity, NaN stays NaN.
  public init(_ value: Float) {
    let bits = value.bitPattern
    if value.isNaN {
      // Rounding could carry a NaN's payload away: keep the sign and set the quiet bit.
      bitPattern = UInt16(truncatingIfNeeded: bits >> 16) | 0x0040
    } else {
      let rounding = 0x7FFF + ((bits >> 16) & 1)
      bitPattern = UInt16(truncatingIfNeeded: (bits &+ rounding) >> 16)
    }
  }

  /// `bfloat16`.
  public static var elementType: ElementType { .bfloat16 }
  /// Positive zero.
  public static var zero: BFloat16 { BFloat16(bitPattern: 0) }

  /// Whether two values are equal as numbers.
  public static func == (left: BFloat16, right: BFloat16) -> Bool {
    Float(left) == Float(right)
  }

  /// Hashes so that equal numbers hash alike.
  public func hash(into hasher: inout Hasher) { Float(self).hash(into: &hasher) }
}

extension Float {
  /// The exact value of a `BFloat16`.
  public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}
