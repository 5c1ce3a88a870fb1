import Tensor

/// Numbers as integers modulo 2³², whose sums are exact: round(clip(x, ±c) · 2^f).
///
/// The sum of K numbers is right as long as K · c · 2^f < 2³¹.
public struct FixedPoint: Codable, Hashable, Sendable {
  /// c, beyond which numbers are clipped.
  public let bound: Double
  /// f, the bits behind the point.
  public let fractionBits: Int

  /// A format; by default c = 4 and f = 16, for up to 8191 clients.
  public init(bound: Double = 4, fractionBits: Int = 16) {
    expect(
      bound > 0 && (0...30).contains(fractionBits) && bound * Double(1 << fractionBits) < 0x1p31,
      "fixed point: a bound of \(bound) with \(fractionBits) bits behind the point"
    )
    self.bound = bound
    self.fractionBits = fractionBits
  }

  private enum CodingKeys: String, CodingKey { case bound, fractionBits }

  /// Reads a format whose integers fit.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let bound = try values.decode(Double.self, forKey: .bound)
    let bits = try values.decode(Int.self, forKey: .fractionBits)
    guard bound > 0, (0...30).contains(bits), bound * Double(1 << bits) < 0x1p31 else {
      throw DecodingError.dataCorruptedError(
        forKey: .bound,
        in: values,
        debugDescription: "a bound of \(bound) with \(bits) bits behind the point"
      )
    }
    self.init(bound: bound, fractionBits: bits)
  }

  private var scale: Double { Double(1 << fractionBits) }

  /// How many clients' numbers can be summed.
  public var maximumClients: Int { Int((0x1p31 / (bound * scale)).rounded(.up)) - 1 }

  /// The integer of each number, half-way cases to even; NaN becomes 0.
  public func encode(_ values: [Float]) -> [UInt32] {
    values.map { value in
      let clipped = value.isNaN ? 0 : max(-bound, min(bound, Double(value)))
      return UInt32(bitPattern: Int32((clipped * scale).rounded(.toNearestOrEven)))
    }
  }

  /// The numbers of sums.
  public func decode(_ sums: [UInt32]) -> [Double] {
    sums.map { Double(Int32(bitPattern: $0)) / scale }
  }
}
