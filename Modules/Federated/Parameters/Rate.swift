import Tensor

/// A share of a whole as two integers, so that both sides of a network round it alike.
///
/// In floating point 0.07 · 100 is 7.000000000000001, whose ceiling is 8; here it is 7.
public struct Rate: Codable, Hashable, Sendable {
  /// The upper number.
  public let numerator: Int
  /// The lower number.
  public let denominator: Int

  /// All of it.
  public static let one = Rate(1, of: 1)

  /// `numerator` parts of `denominator`, in lowest terms; from above 0 to 1.
  public init(_ numerator: Int, of denominator: Int) {
    expect(
      numerator > 0 && denominator >= numerator,
      "rate: \(numerator)/\(denominator) is not in (0, 1]"
    )
    let divisor = greatestCommonDivisor(numerator, denominator)
    self.numerator = numerator / divisor
    self.denominator = denominator / divisor
  }

  /// A rate from outside; nil unless it lies in (0, 1].
  public init?(validating numerator: Int, of denominator: Int) {
    guard numerator > 0, denominator >= numerator else { return nil }
    self.init(numerator, of: denominator)
  }

  /// ⌈rate · count⌉.
  public func ceiling(of count: Int) -> Int {
    let product = count.multipliedFullWidth(by: numerator)
    let (quotient, remainder) = denominator.dividingFullWidth(product)
    return quotient + (remainder > 0 ? 1 : 0)
  }

  /// The rate as a number.
  public var value: Double { Double(numerator) / Double(denominator) }

  /// The rates of HeteroFL's levels a to e: 1, 1/2, 1/4, 1/8, 1/16.
  public static let levels: [Rate] = [1, 2, 4, 8, 16].map { Rate(1, of: $0) }

  private enum CodingKeys: String, CodingKey { case numerator, denominator }

  /// Reads the two numbers, which must make a rate.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let numerator = try values.decode(Int.self, forKey: .numerator)
    let denominator = try values.decode(Int.self, forKey: .denominator)
    guard let rate = Rate(validating: numerator, of: denominator) else {
      throw DecodingError.dataCorruptedError(
        forKey: .numerator,
        in: values,
        debugDescription: "\(numerator)/\(denominator) is not in (0, 1]"
      )
    }
    self = rate
  }
}

extension Rate: Comparable {
  /// Whether the left rate is the smaller one.
  public static func < (left: Rate, right: Rate) -> Bool {
    let a = left.numerator.multipliedFullWidth(by: right.denominator)
    let b = right.numerator.multipliedFullWidth(by: left.denominator)
    return (a.high, a.low) < (b.high, b.low)
  }
}

extension Rate: CustomStringConvertible {
  /// The rate as `1/4`, or `1`.
  public var description: String { denominator == 1 ? "1" : "\(numerator)/\(denominator)" }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  var (a, b) = (a, b)
  while b != 0 { (a, b) = (b, a % b) }
  return a
}
