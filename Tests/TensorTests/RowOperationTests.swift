import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct RowOperationTests {
  private static let widths = [1, 3, 8, 17, 64, 1000, 16_387]

  private func random(_ rows: Int, _ width: Int, deviation: Float = 3) -> Tensor<Float> {
    var generator = Philox(seed: UInt64(rows * 100_000 + width))
    return .normal([rows, width], deviation: deviation, using: &generator)
  }

  private func row(_ tensor: Tensor<Float>, _ index: Int) -> [Double] {
    tensor[index].elements.map(Double.init)
  }

  @Test(arguments: widths)
  func softmaxAgreesWithDouble(width: Int) {
    let x = random(3, width)
    let found = x.softmax()
    #expect(found.shape == x.shape)
    for index in 0..<3 {
      let exponentials = row(x, index).map { exp($0) }
      let total = exponentials.reduce(0, +)
      expectClose(
        row(found, index),
        exponentials.map { $0 / total },
        relative: 5e-6,
        absolute: 1e-12
      )
    }
  }

  @Test func softmaxSurvivesLargeAndInfiniteScores() {
    let x = Tensor<Float>([1000, 1000, -1000, 0, -.infinity, 0], shape: [2, 3])
    #expect(x.softmax().elements == [0.5, 0.5, 0, 0.5, 0, 0.5])
  }

  @Test func softmaxOfEqualScoresIsUniform() {
    let x = Tensor<Float>(repeating: -7, shape: [2, 2, 8])
    #expect(x.softmax() == Tensor(repeating: 0.125, shape: [2, 2, 8]))
  }

  @Test(arguments: widths)
  func rmsNormAgreesWithDouble(width: Int) {
    let x = random(3, width)
    let weight = random(1, width)[0]
    let found = x.rmsNormalized(weight: weight, epsilon: 1e-5)
    for index in 0..<3 {
      let values = row(x, index)
      let square = values.reduce(0) { $0 + $1 * $1 } / Double(width)
      let factor = 1 / (square + Double(Float(1e-5))).squareRoot()
      let expected = zip(values, weight.elements).map { $0 * factor * Double($1) }
      expectClose(row(found, index), expected, relative: 3e-6)
    }
  }

  @Test func rmsNormOfZerosIsZero() {
    let found = Tensor<Float>.zeros([2, 5]).rmsNormalized(weight: .ones([5]), epsilon: 1e-6)
    #expect(found == .zeros([2, 5]))
  }

  @Test(arguments: widths)
  func logSumExpAgreesWithDouble(width: Int) {
    let x = random(3, width)
    let expected = (0..<3).map { log(row(x, $0).reduce(0) { $0 + exp($1) }) }
    let found = x.logSumExp()
    #expect(found.shape == [3])
    expectClose(found.elements.map(Double.init), expected, relative: 1e-6, absolute: 2e-6)
  }

  @Test func logSumExpSubtractsTheMaximum() {
    let x = Tensor<Float>([1000, 1000, -1000, -1000], shape: [2, 2])
    // a + log 2
    expectClose(x.logSumExp().elements, [1000.6931, -999.30685], relative: 1e-6)
    #expect(Tensor<Float>([3]).logSumExp().item == 3)
  }

  @Test func argmaxTakesTheFirstOfEquals() {
    let x = Tensor<Float>([1, 5, 5, 2, -3, -1, -1, -2, 0, 0, 0, 0], shape: [3, 4])
    #expect(x.argMax() == Tensor<Int32>([1, 1, 0]))
    #expect(Tensor<Float>([2, 9]).argMax().shape == [])
  }

  @Test(arguments: widths)
  func argmaxFindsEachPosition(width: Int) {
    for position in Set([0, width / 2, width - 1]) {
      var x = random(1, width)
      x.withUnsafeMutableElements { $0[position] = 1000 }
      #expect(x.argMax().elements == [Int32(position)])
    }
  }

  @Test func extremaIgnoreNaN() {
    #expect(Tensor<Float>([3, .nan, -2, 7]).extrema() == (-2, 7))
    #expect(Tensor<Float>.zeros([0]).extrema() == (.infinity, -.infinity))
    let x = random(2, 16_387)
    let elements = x.elements
    #expect(x.extrema().minimum == elements.min())
    #expect(x.extrema().maximum == elements.max())
  }

  @Test(arguments: [0, 1, 7, 1000, 16_384, 16_385, 100_003])
  func sumsAgreeWithDouble(count: Int) {
    var generator = Philox(seed: 70)
    let x = Tensor<Float>.uniform([count], using: &generator)
    let expected = x.elements.reduce(0) { $0 + Double($1) }
    expectClose([Double(x.sum())], [expected], relative: 1e-6)
    if count > 0 { expectClose([Double(x.mean())], [expected / Double(count)], relative: 1e-6) }
  }

  @Test func rowsWithoutElementsStayEmpty() {
    #expect(Tensor<Float>.zeros([0, 4]).softmax().shape == [0, 4])
    #expect(Tensor<Float>.zeros([3, 0]).softmax().shape == [3, 0])
    #expect(Tensor<Float>.zeros([0, 4]).logSumExp().shape == [0])
    #expect(Tensor<Float>.zeros([0, 4]).argMax().shape == [0])
    #expect(Tensor<Float>.zeros([3, 0]).rmsNormalized(weight: .zeros([0]), epsilon: 1).count == 0)
  }
}
