import Tensor

// Shamir 1979, over the integers modulo p = 2^61 − 1: a polynomial of degree t − 1 whose value at 0
// is the secret, one value of it for each holder; t values give it back by Lagrange's formula.

/// One holder's share of a secret.
public struct SecretShare: Codable, Hashable, Sendable {
  /// Where the polynomials were evaluated: the holder's number plus one.
  public let point: UInt64
  /// The value of the polynomial of each seven bytes of the secret.
  public let values: [UInt64]

  /// A share that came from outside.
  public init(point: UInt64, values: [UInt64]) {
    self.point = point
    self.values = values
  }
}

/// Splits a secret among holders, any `threshold` of whom can put it together.
public struct ShamirSharing: Codable, Hashable, Sendable {
  /// t.
  public let threshold: Int

  /// A sharing with a threshold of at least 1.
  public init(threshold: Int) {
    expect(threshold > 0, "Shamir sharing: a threshold of \(threshold)")
    self.threshold = threshold
  }

  /// A share of a secret for each holder.
  ///
  /// - Parameters:
  ///   - secret: the bytes.
  ///   - holders: their numbers, all different, 0 or more.
  ///   - generator: the source of the polynomials: one that nobody can guess.
  /// - Returns: a share for each holder.
  public func split(
    _ secret: [UInt8],
    among holders: [Int],
    using generator: inout some RandomNumberGenerator
  ) -> [Int: SecretShare] {
    expect(
      holders.count >= threshold && Set(holders).count == holders.count
        && holders.allSatisfy { $0 >= 0 },
      "Shamir sharing: \(threshold) of \(holders.count) holders"
    )
    var polynomials: [[UInt64]] = []
    for start in stride(from: 0, to: secret.count, by: 7) {
      let chunk = secret[start..<min(start + 7, secret.count)]
      var coefficients = [chunk.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }]
      while coefficients.count < threshold {
        let draw = generator.next() >> 3
        if draw < Mersenne61.modulus { coefficients.append(draw) }
      }
      polynomials.append(coefficients)
    }
    var shares: [Int: SecretShare] = [:]
    for holder in holders {
      let point = UInt64(holder) + 1
      let values = polynomials.map { coefficients in
        coefficients.reversed().reduce(0) { Mersenne61.add(Mersenne61.multiply($0, point), $1) }
      }
      shares[holder] = SecretShare(point: point, values: values)
    }
    return shares
  }

  /// The secret of `byteCount` bytes that shares give.
  ///
  /// - Throws: `SecureAggregationError` if they are too few, do not fit each other, or give no secret.
  public func secret(
    from shares: [SecretShare],
    byteCount: Int
  ) throws(SecureAggregationError) -> [UInt8] {
    let used = Array(shares.prefix(threshold))
    guard used.count == threshold else {
      throw .tooFewShares(found: shares.count, needed: threshold)
    }
    let chunks = (byteCount + 6) / 7
    let points = used.map(\.point)
    guard Set(points).count == points.count,
      points.allSatisfy({ $0 > 0 && $0 < Mersenne61.modulus }),
      used.allSatisfy({ share in
        share.values.count == chunks && share.values.allSatisfy { $0 < Mersenne61.modulus }
      })
    else { throw .invalidShares }
    let weights = Mersenne61.weightsAtZero(points)
    var secret: [UInt8] = []
    for chunk in 0..<chunks {
      let value = zip(used, weights).reduce(UInt64(0)) {
        Mersenne61.add($0, Mersenne61.multiply($1.0.values[chunk], $1.1))
      }
      let length = min(7, byteCount - 7 * chunk)
      guard value >> UInt64(8 * length) == 0 else { throw .invalidShares }
      secret += (0..<length).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
    return secret
  }
}

/// Arithmetic modulo 2^61 − 1.
enum Mersenne61 {
  static let modulus: UInt64 = (1 << 61) - 1

  static func add(_ a: UInt64, _ b: UInt64) -> UInt64 { reduced(a + b) }

  static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 { reduced(a + modulus - b) }

  static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    // a b = high · 2^64 + low, and 2^61 = 1.
    return reduced((low & modulus) + (high << 3 | low >> 61))
  }

  /// 1 / a, as a^(p − 2); a must not be 0.
  static func inverse(_ a: UInt64) -> UInt64 {
    var (result, base, exponent) = (UInt64(1), a, modulus - 2)
    while exponent > 0 {
      if exponent & 1 == 1 { result = multiply(result, base) }
      base = multiply(base, base)
      exponent >>= 1
    }
    return result
  }

  /// Lagrange's weights at 0: Π_{j ≠ i} x_j / (x_j − x_i).
  static func weightsAtZero(_ points: [UInt64]) -> [UInt64] {
    points.map { own in
      var (upper, lower) = (UInt64(1), UInt64(1))
      for other in points where other != own {
        upper = multiply(upper, other)
        lower = multiply(lower, subtract(other, own))
      }
      return multiply(upper, inverse(lower))
    }
  }

  private static func reduced(_ value: UInt64) -> UInt64 {
    let folded = (value & modulus) + (value >> 61)
    return folded >= modulus ? folded - modulus : folded
  }
}
