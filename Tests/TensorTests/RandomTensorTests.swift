import Tensor
import Testing

@Suite struct RandomTensorTests {
  private static let count = 1 << 20

  /// E[x^power] over the elements.
  private func moment(_ tensor: Tensor<Float>, _ power: Int) -> Double {
    var total = 0.0
    for element in tensor.elements {
      var product = 1.0
      for _ in 0..<power { product *= Double(element) }
      total += product
    }
    return total / Double(tensor.count)
  }

  /// Expects `found` within five standard errors of `expected`, for a variance of one sample.
  private func expectMoment(_ found: Double, _ expected: Double, variance: Double) {
    let margin = 5 * (variance / Double(Self.count)).squareRoot()
    #expect(abs(found - expected) < margin, "\(found), expected \(expected) ± \(margin)")
  }

  @Test func uniformMoments() {
    var generator = Philox(seed: 20)
    let tensor = Tensor<Float>.uniform([Self.count], using: &generator)
    // Var[x^k] = 1/(2k+1) − 1/(k+1)²
    expectMoment(moment(tensor, 1), 1 / 2, variance: 1 / 12)
    expectMoment(moment(tensor, 2), 1 / 3, variance: 1 / 5 - 1 / 9)
    expectMoment(moment(tensor, 3), 1 / 4, variance: 1 / 7 - 1 / 16)
  }

  @Test func uniformBoundsHold() {
    var generator = Philox(seed: 21)
    let tensor = Tensor<Float>.uniform([1000, 100], from: -2, to: 3, using: &generator)
    let (minimum, maximum) = tensor.extrema()
    #expect(minimum >= -2 && minimum < -1.99)
    #expect(maximum < 3 && maximum > 2.99)
  }

  @Test func normalMoments() {
    var generator = Philox(seed: 22)
    let tensor = Tensor<Float>.normal([Self.count], using: &generator)
    // Var[x] = 1, Var[x²] = 2, Var[x³] = 15, Var[x⁴] = 105 − 9
    expectMoment(moment(tensor, 1), 0, variance: 1)
    expectMoment(moment(tensor, 2), 1, variance: 2)
    expectMoment(moment(tensor, 3), 0, variance: 15)
    expectMoment(moment(tensor, 4), 3, variance: 96)
  }

  @Test func normalTails() {
    var generator = Philox(seed: 23)
    let elements = Tensor<Float>.normal([Self.count], using: &generator).elements
    let beyondTwo = Double(elements.filter { abs($0) > 2 }.count) / Double(Self.count)
    // P(|x| > 2) = 0.0455
    expectMoment(beyondTwo, 0.045500264, variance: 0.0455 * 0.9545)
    #expect(elements.allSatisfy { $0.isFinite })
  }

  @Test func meanAndDeviationShiftAndScale() {
    var (a, b) = (Philox(seed: 24), Philox(seed: 24))
    let plain = Tensor<Float>.normal([101], using: &a).elements
    let scaled = Tensor<Float>.normal([101], mean: 3, deviation: 2, using: &b).elements
    #expect(scaled == plain.map { 3 + 2 * $0 })
  }

  /// Numbers that must not change with a toolchain or a platform: 64 elements take word i / 16 of
  /// the blocks i mod 16; the first word of seed 0 is the published one.
  @Test func uniformNumbersAreThoseOfTheWords() {
    var generator = Philox(seed: 0)
    let elements = Tensor<Float>.uniform([200], using: &generator).elements
    #expect(elements[0] == Float(0x6627E8) * 0x1p-24)
    for (index, element) in elements.enumerated() {
      let counter = SIMD4(UInt32(index / 64 * 16 + index % 16), 0, 0, 0)
      let word = Philox.block(counter: counter, key0: 0, key1: 0)[index % 64 / 16]
      #expect(element == Float(word >> 8) * 0x1p-24)
    }
  }

  @Test func anOddCountTakesTheFirstOfAPair() {
    var (a, b) = (Philox(seed: 25), Philox(seed: 25))
    let three = Tensor<Float>.normal([3], using: &a).elements
    let four = Tensor<Float>.normal([4], using: &b).elements
    #expect(three == Array(four.prefix(3)))
    #expect(a == b)
  }
}
