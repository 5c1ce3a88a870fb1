import Tensor
import Testing

@Suite struct DescriptionTests {
  @Test func vectorsStandInOneLine() {
    #expect("\(Tensor<Float>(scalar: 1.5))" == "[] float32 1.5")
    #expect("\(counting([9]))" == "[9] int32 [0, 1, 2, …, 6, 7, 8]")
    #expect("\(Tensor([true, false]))" == "[2] bool [true, false]")
    #expect("\(Tensor<Float>([1, 0.33333333]))" == "[2] float32 [1.0, 0.3333]")
  }

  @Test func matricesStandInColumns() {
    let x = Tensor<Float>([[1, -2.5, 3], [4, 0, 12]])
    #expect("\(x)" == "[2×3] float32\n[[ 1.0, -2.5,  3.0],\n [ 4.0,  0.0, 12.0]]")
    #expect("\(counting([2, 0]))" == "[2×0] int32\n[[],\n []]")
    #expect("\(counting([2, 2, 1]))" == "[2×2×1] int32\n[[[0],\n  [1]],\n\n [[2],\n  [3]]]")
  }

  @Test func extremeNumbersHaveExponents() {
    #expect("\(Tensor<Float>([1.25e-5, -3e9, 0]))" == "[3] float32 [1.25e-5, -3.0e9, 0.0]")
    #expect("\(Tensor<Float>([.nan, .infinity]))" == "[2] float32 [nan, inf]")
    #expect("\(Tensor<Double>([9.99999e-9]))" == "[1] float64 [1.0e-8]")
  }

  @Test func longAxesShowTheirEnds() {
    let text = "\(counting([100, 100]))"
    #expect(text.split(separator: "\n").count == 8)
    #expect(text.contains("[ 100,  101,  102, …,  197,  198,  199],"))
  }
}
