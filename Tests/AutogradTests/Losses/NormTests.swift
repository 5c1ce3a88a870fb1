import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct NormTests {
  static let shapes: [Shape] = [[3], [2, 17], [5, 3], [2, 3, 5], [7, 129], [0, 4], [3, 0]]

  @Test(arguments: shapes + [[4, 1]])
  func layerNormAgreesWithDifferences(shape: Shape) {
    let width: Shape = [shape[-1]]
    GradientCheck(tolerance: 3e-4)("layer norm", [shape, width, width]) {
      $0[0].layerNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-2)
    } oracle: {
      RowOracle.norm(
        $0[0],
        centres: true,
        weight: $0[1].elements,
        bias: $0[2].elements,
        epsilon: Double(Float(1e-2))
      )
    }
    GradientCheck(tolerance: 3e-4)("plain layer norm", [shape]) {
      $0[0].layerNormalized(epsilon: 1e-2)
    } oracle: {
      RowOracle.norm($0[0], centres: true, epsilon: Double(Float(1e-2)))
    }
    GradientCheck(tolerance: 3e-4)("layer norm with a bias", [shape, width]) {
      $0[0].layerNormalized(bias: $0[1], epsilon: 1e-2)
    } oracle: {
      RowOracle.norm($0[0], centres: true, bias: $0[1].elements, epsilon: Double(Float(1e-2)))
    }
  }

  @Test(arguments: shapes + [[4, 1]])
  func rmsNormAgreesWithDifferences(shape: Shape) {
    let width: Shape = [shape[-1]]
    GradientCheck()("rms norm", [shape, width]) {
      $0[0].rmsNormalized(weight: $0[1])
    } oracle: {
      RowOracle.norm($0[0], centres: false, weight: $0[1].elements)
    }
    GradientCheck()("Gemma's rms norm", [shape, width]) {
      $0[0].rmsNormalized(weight: $0[1], weightOffset: 1)
    } oracle: {
      RowOracle.norm($0[0], centres: false, weight: $0[1].elements.map { $0 + 1 })
    }
    GradientCheck()("plain rms norm", [shape]) {
      $0[0].rmsNormalized()
    } oracle: {
      RowOracle.norm($0[0], centres: false)
    }
  }

  @Test(arguments: shapes)
  func theSumWithAResidualIsAResultToo(shape: Shape) {
    let width: Shape = [shape[-1]]
    GradientCheck(tolerance: 3e-4)("residual, layer norm", [shape, shape, width, width]) {
      let both = $0[0].addingAndLayerNormalizing($0[1], weight: $0[2], bias: $0[3], epsilon: 0.01)
      return both.sum + both.normalized
    } oracle: {
      let sum = $0[0] + $0[1]
      let (weight, bias) = ($0[2].elements, $0[3].elements)
      let epsilon = Double(Float(0.01))
      return sum
        + RowOracle.norm(sum, centres: true, weight: weight, bias: bias, epsilon: epsilon)
    }
    GradientCheck()("residual, rms norm", [shape, shape, width]) {
      let both = $0[0].addingAndRMSNormalizing($0[1], weight: $0[2])
      return both.sum * both.normalized
    } oracle: {
      let sum = $0[0] + $0[1]
      return sum * RowOracle.norm(sum, centres: false, weight: $0[2].elements)
    }
  }

  @Test func constantsGetNoGradient() {
    let x = Variable(Tensor<Float>([1, 2, 3, 5], shape: [2, 2]))
    let weight = Parameter(.ones([2]))
    x.layerNormalized(weight: weight.variable).backward(from: .ones([2, 2]))
    expectClose(weight.gradient?.elements ?? [], [-2, 2], absolute: 1e-4)
  }

  @Test func aRowOfEqualElementsBecomesTheBias() {
    let x = Tensor<Float>(repeating: 1e6, shape: [2, 33])
    let bias = Tensor<Float>(repeating: 3, shape: [33])
    #expect(x.layerNormalized(bias: bias) == Tensor(repeating: 3, shape: [2, 33]))
  }

  @Test func notANumberSpreadsOverItsRow() {
    let x = Tensor<Float>([1, .nan, 2, 3, 4, 5], shape: [2, 3])
    for y in [x.layerNormalized(), x.rmsNormalized()] {
      #expect(y.elements.map(\.isNaN) == [true, true, true, false, false, false])
    }
  }

  @Test func partsDoNotDependOnThreads() {
    var generator = Philox(seed: 4)
    let x = Tensor<Float>.normal([1003, 517], using: &generator)
    let g = Tensor<Float>.normal([1003, 517], using: &generator)
    let w = Tensor<Float>.normal([517], using: &generator)
    func run() -> [Tensor<Float>?] {
      let (v, weight, bias) = (
        Variable(following: x), Variable(following: w), Variable(following: w)
      )
      let y = v.layerNormalized(weight: weight, bias: bias)
      y.backward(from: g)
      return [y.value, v.gradient, weight.gradient, bias.gradient]
    }
    let (one, two) = withThreads(run)
    #expect(one == two)
  }
}
