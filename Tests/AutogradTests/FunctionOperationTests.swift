import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct FunctionOperationTests {
  static let shapes: [Shape] = [[], [1], [0], [17], [3, 5]]

  @Test(arguments: shapes)
  func smoothFunctions(shape: Shape) {
    let check = GradientCheck(range: -3...3)
    check("square", [shape]) {
      $0[0].square()
    } oracle: {
      $0[0].square()
    }
    check("exp", [shape]) {
      $0[0].exp()
    } oracle: {
      $0[0].exp()
    }
    check("expm1", [shape]) {
      $0[0].expm1()
    } oracle: {
      $0[0].expm1()
    }
    check("sin", [shape]) {
      $0[0].sin()
    } oracle: {
      $0[0].sin()
    }
    check("cos", [shape]) {
      $0[0].cos()
    } oracle: {
      $0[0].cos()
    }
    check("tanh", [shape]) {
      $0[0].tanh()
    } oracle: {
      $0[0].tanh()
    }
    check("sigmoid", [shape]) {
      $0[0].sigmoid()
    } oracle: {
      $0[0].sigmoid()
    }
    check("erf", [shape]) {
      $0[0].erf()
    } oracle: {
      $0[0].erf()
    }
    check("gelu", [shape]) {
      $0[0].gelu()
    } oracle: {
      $0[0].gelu()
    }
    check("gelu tanh", [shape]) {
      $0[0].gelu(.tanh)
    } oracle: {
      $0[0].gelu(.tanh)
    }
    check("silu", [shape]) {
      $0[0].silu()
    } oracle: {
      $0[0].silu()
    }
    check("softplus", [shape]) {
      $0[0].softplus()
    } oracle: {
      $0[0].softplus()
    }
    check("cube", [shape]) {
      $0[0].pow(3)
    } oracle: {
      $0[0].pow(3)
    }
  }

  @Test(arguments: shapes)
  func functionsOfPositiveNumbers(shape: Shape) {
    let check = GradientCheck(range: 0.3...4)
    check("sqrt", [shape]) {
      $0[0].sqrt()
    } oracle: {
      $0[0].sqrt()
    }
    check("rsqrt", [shape]) {
      $0[0].rsqrt()
    } oracle: {
      $0[0].rsqrt()
    }
    check("reciprocal", [shape]) {
      $0[0].reciprocal()
    } oracle: {
      $0[0].reciprocal()
    }
    check("log", [shape]) {
      $0[0].log()
    } oracle: {
      $0[0].log()
    }
    check("log1p", [shape]) {
      $0[0].log1p()
    } oracle: {
      $0[0].log1p()
    }
    for exponent: Float in [-2, -1, -0.5, 0, 0.3, 0.5, 1, 2, 2.5] {
      check("power \(exponent)", [shape]) {
        $0[0].pow(exponent)
      } oracle: {
        $0[0].pow(Double(exponent))
      }
    }
  }

  /// Numbers around the kinks, not on them.
  @Test(arguments: [1, 17, 20])
  func functionsWithKinks(count: Int) {
    let x = Tensor<Float>((0..<count).map { Float($0 * 7 % 19) / 4 - 2.1 })
    let check = GradientCheck()
    check("abs", inputs: [x]) {
      $0[0].abs()
    } oracle: {
      $0[0].abs()
    }
    check("relu", inputs: [x]) {
      $0[0].relu()
    } oracle: {
      $0[0].relu()
    }
    check("leaky", inputs: [x]) {
      $0[0].leakyReLU(slope: 0.2)
    } oracle: {
      $0[0].leakyReLU(slope: Double(Float(0.2)))
    }
    check("elu", inputs: [x]) {
      $0[0].elu(alpha: 1.5)
    } oracle: {
      $0[0].elu(alpha: 1.5)
    }
    check("clamp", inputs: [x]) {
      $0[0].clamped(to: -1...0.5)
    } oracle: {
      $0[0].clamped(to: -1...0.5)
    }
    check("floor", inputs: [x]) {
      $0[0].floor()
    } oracle: {
      $0[0].floor()
    }
    check("ceil", inputs: [x]) {
      $0[0].ceil()
    } oracle: {
      $0[0].ceil()
    }
    check("round", inputs: [x]) {
      $0[0].rounded()
    } oracle: {
      $0[0].rounded()
    }
    check("sign", inputs: [x]) {
      $0[0].sign()
    } oracle: {
      $0[0].sign()
    }
  }

  @Test func gradientsOnTheKinks() {
    func slope(_ operation: (Variable) -> Variable, at point: Float) -> Float? {
      let x = Variable(following: Tensor([point]))
      operation(x).sum().backward()
      return x.gradient?.item
    }
    #expect(slope({ $0.relu() }, at: 0) == 0)
    #expect(slope({ $0.abs() }, at: 0) == 0)
    #expect(slope({ $0.leakyReLU(slope: 0.25) }, at: 0) == 0.25)
    #expect(slope({ $0.clamped(to: -1...1) }, at: 1) == 1)
    #expect(slope({ $0.silu() }, at: -200) == 0)
    #expect(abs(slope({ $0.gelu() }, at: -200) ?? 1) < 1e-30)
    #expect(slope({ $0.gelu(.tanh) }, at: 200) == 1)
  }

  @Test(arguments: GateFunction.allCases)
  func gatedUnits(function: GateFunction) {
    func activation(_ x: Tensor<Double>) -> Tensor<Double> {
      switch function {
      case .sigmoid: x.sigmoid()
      case .relu: x.relu()
      case .gelu: x.gelu()
      case .geluTanh: x.gelu(.tanh)
      case .silu: x.silu()
      }
    }
    for shape in [[1], [0], [3, 5], [2, 33]] as [Shape] {
      GradientCheck()("gated", [shape, shape]) {
        $0[0].gated(function, by: $0[1])
      } oracle: {
        activation($0[0]) * $0[1]
      }
      GradientCheck()("gated halves", [[2, 2 * shape.count]]) {
        $0[0].gatedHalves(function)
      } oracle: { inputs in
        let width = shape.count
        func half(_ offset: Int) -> Tensor<Double> {
          let x = inputs[0].elements
          let rows = (0..<2).flatMap { row in
            (0..<width).map { x[row * 2 * width + offset + $0] }
          }
          return Tensor(rows, shape: [2, width])
        }
        return activation(half(0)) * half(width)
      }
    }
  }

  @Test func dropoutSendsTheGradientThroughTheSameMask() {
    var generator = Philox(seed: 4)
    let x = Variable(following: Tensor<Float>.ones([1000]))
    let y = x.dropout(0.4, using: &generator)
    y.sum().backward()
    #expect(x.gradient == y.value)
    #expect(y.value != Variable(x.value).dropout(0.4, using: &generator).value)
  }

  @Test func aGradientThatIsSharedIsNotOverwritten() {
    // The sum hands one gradient to both branches, which both scale it.
    let (a, b) = (
      Variable(following: Tensor<Float>([1, 2])), Variable(following: Tensor<Float>([3, 4]))
    )
    (a.square() + b.square()).sum().backward()
    #expect(a.gradient?.elements == [2, 4])
    #expect(b.gradient?.elements == [6, 8])
  }
}
