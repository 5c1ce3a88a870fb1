import Foundation
import Tensor
import Testing

@Suite struct PhiloxTests {
  /// The known answers that the authors publish for philox4x32-10 (Random123, `kat_vectors`).
  @Test(arguments: [
    (
      SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
      SIMD4<UInt32>(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
    ),
    (
      SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
      SIMD4<UInt32>(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
    ),
    (
      SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
      SIMD2<UInt32>(0xA409_3822, 0x299F_31D0),
      SIMD4<UInt32>(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
    ),
  ])
  func matchesThePublishedVectors(
    counter: SIMD4<UInt32>,
    key: SIMD2<UInt32>,
    expected: SIMD4<UInt32>
  ) {
    #expect(Philox.block(counter: counter, key0: key.x, key1: key.y) == expected)
  }

  @Test func theStreamOfSeedZeroStartsWithBlockZero() {
    var generator = Philox(seed: 0)
    let words = (0..<4).map { _ in generator.nextWord() }
    #expect(words == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8])
    // Block 1: the counter's lowest word counts first.
    let second = Philox.block(counter: SIMD4(1, 0, 0, 0), key0: 0, key1: 0)
    #expect(generator.nextWord() == second.x)
  }

  @Test func sixtyFourBitsAreTwoWordsLowFirst() {
    var generator = Philox(seed: 0)
    #expect(generator.next() == 0xE169_C58D_6627_E8D5)
  }

  @Test func aCodedGeneratorContinuesInTheMiddleOfABlock() throws {
    var generator = Philox(seed: 7).fork(3)
    for _ in 0..<6 { _ = generator.nextWord() }
    let data = try JSONEncoder().encode(generator)
    var restored = try JSONDecoder().decode(Philox.self, from: data)
    for _ in 0..<9 { #expect(restored.nextWord() == generator.nextWord()) }
  }

  @Test func seedsAndForksGiveDifferentStreams() {
    let root = Philox(seed: 1)
    var generators = [root, Philox(seed: 2), Philox(seed: 1 << 32), root.fork(0).fork(0)]
    for index in [0, 1, 2, 1000, -1, 1 << 32] { generators.append(root.fork(index)) }
    generators.append(Philox(seed: 2).fork(0))
    generators.append(root.fork(1).fork(0))
    let starts = generators.map { generator in
      var copy = generator
      return [copy.next(), copy.next()]
    }
    #expect(Set(starts).count == starts.count)
  }

  @Test func forkingNeitherAdvancesNorDependsOnThePosition() {
    var generator = Philox(seed: 5)
    let early = generator.fork(4)
    let untouched = generator
    #expect(generator == untouched)
    for _ in 0..<3 { _ = generator.nextWord() }
    #expect(generator.fork(4) == early)
  }

  /// Of n pairs of bits about half agree, with a standard deviation of √n / 2.
  ///
  /// Margin: five of them.
  @Test func neighbouringForksAreUncorrelated() {
    let root = Philox(seed: 99)
    for index in 0..<16 {
      var (a, b) = (root.fork(index), root.fork(index + 1))
      var agreeing = 0
      let words = 4096
      for _ in 0..<words { agreeing += (~(a.nextWord() ^ b.nextWord())).nonzeroBitCount }
      let bits = Double(words * 32)
      #expect(abs(Double(agreeing) - bits / 2) < 5 * bits.squareRoot() / 2)
    }
  }

  @Test func uniformNumbersLieBelowOne() {
    var generator = Philox(seed: 11)
    for _ in 0..<100_000 {
      let number = generator.uniform()
      #expect(number >= 0 && number < 1)
    }
  }
}

@Suite struct BoundedIntegerTests {
  /// χ² over the counts of k classes, with expected count n / k.
  private func chiSquare(_ counts: [Int]) -> Double {
    let expected = Double(counts.reduce(0, +)) / Double(counts.count)
    return counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
  }

  @Test func aBoundOfOneLeavesZero() {
    var generator = Philox(seed: 1)
    #expect((0..<10).allSatisfy { _ in generator.integer(below: 1) == 0 })
  }

  /// Six degrees of freedom: χ² exceeds 27.9 once in 10,000 seeds.
  @Test func smallBoundsAreEven() {
    var generator = Philox(seed: 3)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[generator.integer(below: 7)] += 1 }
    #expect(chiSquare(counts) < 27.9)
  }

  /// A bound that 2^64 is no multiple of.
  ///
  /// Taking the remainder would favour the first third of the range
  /// (3 : 3 : 2); multiplying without a second draw would favour remainders 0 and 1 modulo 3.
  /// Two degrees of freedom: χ² exceeds 18.4 once in 10,000 seeds; either bias gives over 400.
  @Test func largeBoundsAreEvenInBothWays() {
    var generator = Philox(seed: 4)
    let bound = 3 << 61
    var thirds = [0, 0, 0]
    var remainders = [0, 0, 0]
    for _ in 0..<30_000 {
      let number = generator.integer(below: bound)
      #expect(number >= 0 && number < bound)
      thirds[number >> 61] += 1
      remainders[number % 3] += 1
    }
    #expect(chiSquare(thirds) < 18.4)
    #expect(chiSquare(remainders) < 18.4)
  }
}
