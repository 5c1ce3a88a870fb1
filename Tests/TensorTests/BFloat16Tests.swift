import Tensor
import TestSupport
import Testing

@Suite struct BFloat16Tests {
  /// The nearest bfloat16, ties to even, by comparing distances in Double.
  private static func nearest(_ value: Float) -> UInt16 {
    let truncated = UInt16(value.bitPattern >> 16)
    if value.isInfinite { return truncated }
    // The next magnitude up; past the largest finite one it stands for 2^128, rounded to infinity.
    let above = truncated + 1
    let low = Double(Float(bitPattern: UInt32(truncated) << 16)).magnitude
    let next = Float(bitPattern: UInt32(above) << 16)
    let high = next.isInfinite ? 0x1p128 : Double(next).magnitude
    let exact = Double(value).magnitude
    if exact - low < high - exact { return truncated }
    if exact - low > high - exact { return above }
    return truncated & 1 == 0 ? truncated : above
  }

  /// Every upper half, with lower halves at and around zero, the tie and the end.
  private static let sweep: [Float] = {
    let lowerHalves: [UInt32] = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
    return (0..<UInt32(1 << 16)).flatMap { upper in
      lowerHalves.map { Float(bitPattern: upper << 16 | $0) }
    }
  }()

  @Test func roundsToTheNearestTiesToEven() {
    // 1 + 2^-8 lies halfway between 1 and 1 + 2^-7: even wins.
    #expect(BFloat16(1 + 0x1p-8).bitPattern == 0x3F80)
    #expect(BFloat16(1 + 3 * 0x1p-8).bitPattern == 0x3F82)
    #expect(BFloat16(Float(1 + 0x1p-8).nextUp).bitPattern == 0x3F81)
    #expect(BFloat16(-2.5).bitPattern == 0xC020)
  }

  @Test func keepsZerosSubnormalsAndInfinities() {
    #expect(BFloat16(0).bitPattern == 0)
    #expect(BFloat16(-0.0).bitPattern == 0x8000)
    #expect(BFloat16(.infinity).bitPattern == 0x7F80)
    #expect(BFloat16(-.infinity).bitPattern == 0xFF80)
    #expect(BFloat16(.greatestFiniteMagnitude).bitPattern == 0x7F80)
    // The smallest subnormal float is far below half of the smallest subnormal bfloat16.
    #expect(BFloat16(.leastNonzeroMagnitude).bitPattern == 0)
    #expect(BFloat16(Float(bitPattern: 0x0001_8000)).bitPattern == 2)
    #expect(Float(BFloat16(bitPattern: 1)) == 0x1p-133)
  }

  @Test func everyNaNStaysNaNWithItsSign() {
    let patterns: [UInt32] = [0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF, 0xFF80_0001, 0xFFFF_FFFF]
    for pattern in patterns {
      let rounded = BFloat16(Float(bitPattern: pattern))
      #expect(Float(rounded).isNaN)
      #expect(rounded.bitPattern >> 15 == UInt16(pattern >> 31))
    }
  }

  @Test func agreesWithTheOracleOnASweep() {
    var differences = 0
    for value in Self.sweep where !value.isNaN {
      if BFloat16(value).bitPattern != Self.nearest(value) { differences += 1 }
    }
    #expect(differences == 0)
  }

  @Test func tensorsConvertLikeSingleNumbers() {
    let narrowed = Tensor<BFloat16>(converting: Tensor(Self.sweep))
    let back = Tensor<Float>(converting: narrowed).elements
    var differences = 0
    for (value, (element, float)) in zip(Self.sweep, zip(narrowed.elements, back)) {
      let expected = BFloat16(value)
      let same = value.isNaN ? Float(element).isNaN : element.bitPattern == expected.bitPattern
      let isBack = value.isNaN ? float.isNaN : float.bitPattern == Float(element).bitPattern
      if !same || !isBack { differences += 1 }
    }
    #expect(differences == 0)
  }

  @Test func equalityIsThatOfNumbers() {
    #expect(BFloat16(bitPattern: 0x8000) == .zero)
    #expect(BFloat16(bitPattern: 0x8000).hashValue == BFloat16.zero.hashValue)
    #expect(BFloat16(.nan) != BFloat16(.nan))
  }
}

@Suite struct Float16Tests {
  @Test func everyPatternWidensExactly() {
    let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }
    let floats = Tensor<Float>(converting: Tensor(halves)).elements
    var differences = 0
    for (half, float) in zip(halves, floats) {
      let same = half.isNaN ? float.isNaN : float.bitPattern == Float(half).bitPattern
      if !same { differences += 1 }
    }
    #expect(differences == 0)
  }

  @Test func narrowingRoundsToTheNearestTiesToEven() {
    // 1 + 2^-11 lies halfway between 1 and 1 + 2^-10; 65520 halfway to what overflows.
    let values: [Float] = [1 + 0x1p-11, 1 + 3 * 0x1p-11, 65519, 65520, -1e6, 0x1p-25, 0x1.8p-25]
    let expected: [Float16] = [1, 1 + 0x1p-9, 65504, .infinity, -.infinity, 0, 0x1p-24]
    #expect(Tensor<Float16>(converting: Tensor(values)).elements == expected)
  }

  @Test func narrowingAgreesWithTheStandardLibraryOnASweep() {
    let tails: [UInt32] = [0, 1, 0x0FFF, 0x1000, 0x1001, 0x1FFF]
    // The upper 19 bits decide; the tails lie at and around the tie.
    let values = (0..<UInt32(1 << 19)).flatMap { upper in
      tails.map { Float(bitPattern: upper << 13 | $0) }
    }
    let narrowed = Tensor<Float16>(converting: Tensor(values)).elements
    var differences = 0
    for (value, half) in zip(values, narrowed) {
      let same = value.isNaN ? half.isNaN : half.bitPattern == Float16(value).bitPattern
      if !same { differences += 1 }
    }
    #expect(differences == 0)
  }
}
