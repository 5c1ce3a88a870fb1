import Tensor
import TestSupport
import Testing

@Suite struct LinearTests {
  private static let shapes: [(Shape, Int)] = [
    ([3], 4), ([1, 7], 5), ([2, 3, 17], 33), ([65, 300], 31), ([0, 4], 3), ([130, 70], 129),
    ([40, 700], 66), ([3, 0], 2),
  ]

  private func expected(_ x: Tensor<Float>, _ w: Tensor<Float>, _ b: Tensor<Float>) -> [Double] {
    let product = inDouble(x).matmul(inDouble(w), transposingOther: true)
    let biases = b.elements.map(Double.init)
    return product.elements.enumerated().map { $1 + biases[$0 % biases.count] }
  }

  @Test(arguments: shapes)
  func addsTheBiasToEachRow(shape: Shape, outputs: Int) {
    var generator = Philox(seed: 60)
    let x = Tensor<Float>.normal(shape, using: &generator)
    let w = Tensor<Float>.normal([outputs, shape[-1]], using: &generator)
    let b = Tensor<Float>.normal([outputs], using: &generator)
    let found = x.linear(weight: w, bias: b)
    #expect(found.shape == Shape(shape.extents.dropLast() + [outputs]))
    let oracle = expected(x, w, b)
    expectClose(found.elements.map(Double.init), oracle, relative: 1e-5, absolute: 1e-4)
    let plain = expected(x, w, .zeros([outputs]))
    let unbiased = x.linear(weight: w).elements.map(Double.init)
    expectClose(unbiased, plain, relative: 1e-5, absolute: 1e-4)
  }

  @Test(arguments: [1, 3, 255, 256, 257, 1000], [1, 17, 300])
  func columnSums(rows: Int, columns: Int) {
    var generator = Philox(seed: 62)
    let x = Tensor<Float>.normal([rows, columns], using: &generator)
    var sums = Tensor<Float>.ones([columns])
    sums.accumulateColumnSums(of: x)
    var expected = [Double](repeating: 1, count: columns)
    for (index, element) in x.elements.enumerated() { expected[index % columns] += Double(element) }
    expectClose(sums.elements.map(Double.init), expected, relative: 1e-5, absolute: 1e-4)
    sums = .zeros([columns])
    sums.accumulateColumnSums(of: .zeros([0, columns]))
    #expect(sums == .zeros([columns]))
  }
}
