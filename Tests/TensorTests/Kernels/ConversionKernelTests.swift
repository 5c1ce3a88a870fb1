import CKernels
import Testing

@Suite struct ConversionKernelTests {
  @Test func everyFloat16Widens() {
    let halves = (0...UInt16.max).map { $0 }
    var out = [Float](repeating: 9, count: halves.count)
    ck_float16_to_float32(halves.count, halves, &out)
    for (half, value) in zip(halves, out) {
      let expected = Float(Float16(bitPattern: half))
      #expect(value.bitPattern == expected.bitPattern || (value.isNaN && expected.isNaN))
    }
  }

  /// Bit patterns around every float16, its midpoints and its ends, and random ones.
  private var floats: [Float] {
    var result: [Float] = [
      65504, 65519, 65519.996, 65520, 65536, .infinity, .nan, 1e-8, 0x1p-25, 0x1.000002p-25,
      0x1.8p-24, 0, 1e30,
    ]
    for half in UInt16(0)..<0x7C00 {
      let low = Float(Float16(bitPattern: half))
      let high = half == 0x7BFF ? 65536 : Float(Float16(bitPattern: half + 1))
      let middle = (low + high) / 2
      result += [low, middle.nextDown, middle, middle.nextUp]
    }
    result += result.map { -$0 }
    var samples = KernelSamples(seed: 20)
    result += (0..<100_003).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: samples.bits()))
    }
    return result
  }

  @Test func narrowingToFloat16RoundsToNearestEven() {
    let floats = floats
    var out = [UInt16](repeating: 9, count: floats.count)
    ck_float32_to_float16(floats.count, floats, &out)
    let wrong = zip(floats, out).first { value, half in
      let expected = Float16(value)
      let found = Float16(bitPattern: half)
      return expected.bitPattern != half && !(expected.isNaN && found.isNaN)
    }
    #expect(wrong == nil)
  }

  @Test func narrowingToBFloat16RoundsToNearestEven() {
    let floats = floats
    var out = [UInt16](repeating: 9, count: floats.count)
    ck_float32_to_bfloat16(floats.count, floats, &out)
    let wrong = zip(floats, out).first { value, half in
      let found = Float(bitPattern: UInt32(half) << 16)
      guard value.isFinite else { return value.isNaN ? !found.isNaN : found != value }
      let low = value.bitPattern & 0xFFFF_0000
      let rest = value.bitPattern & 0xFFFF
      let isUp = rest > 0x8000 || (rest == 0x8000 && low & 0x10000 != 0)
      return UInt32(half) << 16 != low &+ (isUp ? 0x10000 : 0)
    }
    #expect(wrong == nil)
    var back = [Float](repeating: 0, count: out.count)
    ck_bfloat16_to_float32(out.count, out, &back)
    #expect(zip(out, back).allSatisfy { UInt32($0) << 16 == $1.bitPattern })
  }

  @Test(arguments: kernelSizes)
  func tailsAreConvertedAndNothingBehindThem(n: Int) {
    var samples = KernelSamples(seed: 21)
    let x = samples.floats(n, 100)
    var halves = [UInt16](repeating: 7, count: n + 1)
    ck_float32_to_float16(n, x, &halves)
    #expect(halves == x.map { Float16($0).bitPattern } + [7])
    var back = [Float](repeating: 7, count: n + 1)
    ck_float16_to_float32(n, halves, &back)
    #expect(back == x.map { Float(Float16($0)) } + [7])
    var brains = [UInt16](repeating: 7, count: n + 1)
    ck_float32_to_bfloat16(n, x, &brains)
    #expect(brains[n] == 7)
    ck_bfloat16_to_float32(n, brains, &back)
    #expect(zip(x, back).allSatisfy { abs($0 - $1) <= abs($0) / 256 })
  }
}
