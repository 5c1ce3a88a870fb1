import CKernels
import Testing

@Suite struct QuantizeKernelTests {
  /// The code is clamp(round_half_even(x / scale) + zero, 0, 2^bits − 1).
  private func code(_ x: Float, _ scale: Float, _ zero: Float, _ bits: Int) -> UInt8 {
    let rounded = (x / scale).rounded(.toNearestOrEven) + zero
    return UInt8(max(0, min(rounded, Float((1 << bits) - 1))))
  }

  @Test(arguments: 1...8)
  func codesAreExact(bits: Int) {
    var samples = KernelSamples(seed: 22)
    for n in kernelSizes + [5000] {
      let scale = 0.02 + abs(samples.float()) / Float(1 << bits)
      let x = samples.floats(n, 2)
      for zero in [0, Float(1 << (bits - 1)), Float((1 << bits) - 1)] {
        var codes = [UInt8](repeating: 200, count: n + 1)
        ck_quantize(n, x, scale, zero, Int32(bits), &codes)
        #expect(codes == x.map { code($0, scale, zero, bits) } + [200])
      }
    }
  }

  @Test func halvesRoundToEven() {
    let x: [Float] = [0.5, 1.5, 2.5, -0.5, -1.5, 3.5, -2.5]
    var codes = [UInt8](repeating: 0, count: x.count)
    ck_quantize(x.count, x, 1, 8, 4, &codes)
    #expect(codes == [8, 10, 10, 8, 6, 12, 6])
  }

  @Test func extremesAreClamped() {
    let x: [Float] = [1e30, -1e30, .infinity, -.infinity, 5_000_000, -5_000_000]
    for n in [6, 1] {
      var codes = [UInt8](repeating: 0, count: n)
      ck_quantize(n, x, 0.5, 3, 3, &codes)
      #expect(codes == Array([7, 0, 7, 0, 7, 0].prefix(n)))
    }
  }

  @Test(arguments: 1...8)
  func errorIsThatOfTheCodes(bits: Int) {
    var samples = KernelSamples(seed: 23)
    for n in kernelSizes + [1024, 1025, 5000] {
      let x = samples.floats(n)
      let scale = 1.7 / Float(1 << bits)
      let zero = Float(1 << (bits - 1))
      let expected = x.reduce(0.0) {
        let value = Double(scale) * (Double(code($1, scale, zero, bits)) - Double(zero))
        return $0 + (Double($1) - value) * (Double($1) - value)
      }
      let found = ck_quantization_error(n, x, scale, zero, Int32(bits))
      #expect(abs(found - expected) <= 1e-5 * expected + 1e-12)
    }
  }

  @Test(arguments: 1...8)
  func packingFollowsTheLayoutAndReturns(bits: Int) {
    var samples = KernelSamples(seed: 24)
    for n in kernelSizes {
      let codes = samples.codes(n, bits: bits)
      let wordCount = (n * bits + 31) / 32
      var words = [UInt32](repeating: .max, count: wordCount + 1)
      ck_pack(n, codes, Int32(bits), &words)
      var expected = [UInt32](repeating: 0, count: wordCount) + [.max]
      for (index, code) in codes.enumerated() {
        for bit in 0..<bits where code & (1 << bit) != 0 {
          let at = index * bits + bit
          expected[at / 32] |= 1 << UInt32(at % 32)
        }
      }
      #expect(words == expected)
      var back = [UInt8](repeating: 99, count: n + 1)
      ck_unpack(n, words, Int32(bits), &back)
      #expect(back == codes + [99])
    }
  }
}
