import Tensor
import Testing

@Suite struct ConversionTests {
  @Test func numbersAreRoundedOrClamped() {
    let x = Tensor<Float>([1.9, -1.9, 300, -300, .nan, .infinity, -.infinity, 0])
    #expect(x.converted(to: Int32.self).elements == [1, -1, 300, -300, 0, .max, .min, 0])
    #expect(x.converted(to: Int8.self).elements == [1, -1, 127, -128, 0, 127, -128, 0])
    #expect(x.converted(to: UInt8.self).elements == [1, 0, 255, 0, 0, 255, 0, 0])
    #expect(x.converted(to: Int64.self).elements == [1, -1, 300, -300, 0, .max, .min, 0])
    #expect(
      x.converted(to: Bool.self).elements == [true, true, true, true, true, true, true, false]
    )
  }

  @Test func integersStayExact() {
    let x = Tensor<Int64>([1 << 62 + 1, -5, .max, .min, 255])
    #expect(x.converted(to: Int64.self) == x)
    #expect(x.converted(to: Int32.self).elements == [.max, -5, .max, .min, 255])
    #expect(x.converted(to: UInt8.self).elements == [255, 0, 255, 0, 255])
    #expect(Tensor([true, false]).converted(to: Int8.self).elements == [1, 0])
    #expect(Tensor<UInt8>([0, 7, 255]).converted(to: Float.self).elements == [0, 7, 255])
    #expect(Tensor<Int32>([16_777_217]).converted(to: Double.self).item == 16_777_217)
  }

  @Test func halfPrecisionIsRoundedOnce() {
    // Just above a tie of bfloat16 by less than a float shows.
    let tie = 1 + 0x1p-8
    #expect(Float(Tensor([tie + 0x1p-40]).converted(to: BFloat16.self).item) == 1 + 0x1p-7)
    #expect(Float(Tensor([tie]).converted(to: BFloat16.self).item) == 1)
    #expect(Float(Tensor([tie - 0x1p-40]).converted(to: BFloat16.self).item) == 1)
    #expect(Tensor([70_000.0]).converted(to: Float16.self).item == .infinity)
    let half = Tensor<Float16>([1.5, -0.25])
    #expect(half.converted(to: BFloat16.self).converted(to: Float.self).elements == [1.5, -0.25])
  }

  @Test(arguments: [0, 1, 511, 513, 70_000])
  func everyLengthIsConverted(count: Int) {
    let x = counting([count])
    #expect(x.converted(to: Double.self).elements == (0..<count).map(Double.init))
    #expect(x.converted(to: Float.self).converted(to: Int32.self) == x)
  }
}
