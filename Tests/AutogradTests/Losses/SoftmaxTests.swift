import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct SoftmaxTests {
  static let shapes: [Shape] = [
    [1], [3], [2, 17], [3, 1], [2, 2, 5], [1, 129], [0, 4], [3, 0],
  ]

  @Test(arguments: shapes)
  func gradientsAgreeWithDifferences(shape: Shape) {
    GradientCheck()("softmax", [shape]) {
      $0[0].softmax()
    } oracle: {
      RowOracle.softmax($0[0])
    }
    GradientCheck()("log-softmax", [shape]) {
      $0[0].logSoftmax()
    } oracle: {
      RowOracle.logSoftmax($0[0])
    }
    GradientCheck()("scaled softmax", [shape]) {
      $0[0].softmax(scale: -0.7)
    } oracle: {
      RowOracle.softmax($0[0], scale: Double(Float(-0.7)))
    }
    GradientCheck()("scaled log-softmax", [shape]) {
      $0[0].logSoftmax(scale: 2.5)
    } oracle: {
      RowOracle.logSoftmax($0[0], scale: 2.5)
    }
  }

  @Test(arguments: [0, 1, -3] as [Int])
  func otherAxesAreMoved(axis: Int) {
    let shape: Shape = [3, 17, 2]
    let place = axis < 0 ? axis + 3 : axis
    GradientCheck()("softmax", [shape]) {
      $0[0].softmax(axis: axis)
    } oracle: { inputs in
      let inner = shape.extents[(place + 1)...].reduce(1, *)
      let x = inputs[0].elements
      var y = x
      for start in x.indices where start / inner % shape[place] == 0 {
        let indices = (0..<shape[place]).map { start + $0 * inner }
        let sum = RowOracle.logSumExp(indices.map { x[$0] })
        for index in indices { y[index] = exp(x[index] - sum) }
      }
      return Tensor(y, shape: shape)
    }
  }

  @Test func notANumberSpreadsOverItsRow() {
    let x = Tensor<Float>([1, .nan, 2, 3, 4, 5], shape: [2, 3])
    for y in [x.softmax(), x.logSoftmax()] {
      #expect(y.elements.map(\.isNaN) == [true, true, true, false, false, false])
    }
    let row = Variable(following: x)
    row.softmax().backward(from: Tensor([1, 0, 0, 1, 0, 0], shape: [2, 3]))
    let gradient = row.gradient?.elements.map(\.isNaN)
    #expect(gradient == [true, true, true, false, false, false])
    #expect(Tensor<Float>(repeating: -.infinity, shape: [40]).softmax().elements[39].isNaN)
  }

  @Test func logSoftmaxKeepsSmallDifferencesOfLargeScores() {
    let y = Tensor<Float>([10_000, 9_999.5]).logSoftmax()
    expectClose(y.elements, [-0.4740770, -0.9740770], relative: 1e-6)
  }

  @Test func partsDoNotDependOnThreads() {
    var generator = Philox(seed: 3)
    let x = Tensor<Float>.normal([300, 1031], using: &generator)
    let g = Tensor<Float>.normal([300, 1031], using: &generator)
    func run() -> (Tensor<Float>, Tensor<Float>?) {
      let v = Variable(following: x)
      let y = v.softmax()
      y.backward(from: g)
      return (y.value, v.gradient)
    }
    let (one, two) = withThreads(run)
    #expect(one == two)
  }
}
