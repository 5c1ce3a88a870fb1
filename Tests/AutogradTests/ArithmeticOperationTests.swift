import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct ArithmeticOperationTests {
  static let pairs: [(Shape, Shape)] = [
    ([], []), ([3], []), ([2, 3], [3]), ([2, 1], [1, 3]), ([5, 1, 2], [5, 3, 1]),
    ([0, 3], [1, 3]),
    ([1], [2, 1, 2]), ([17], [17]),
  ]

  @Test(arguments: pairs)
  func gradientsOfBroadcastOperandsAreSummed(left: Shape, right: Shape) {
    let check = GradientCheck(range: 0.5...2)
    check("a + b", [left, right]) {
      $0[0] + $0[1]
    } oracle: {
      $0[0] + $0[1]
    }
    check("a − b", [left, right]) {
      $0[0] - $0[1]
    } oracle: {
      $0[0] - $0[1]
    }
    check("a · b", [left, right]) {
      $0[0] * $0[1]
    } oracle: {
      $0[0] * $0[1]
    }
    check("a / b", [left, right]) {
      $0[0] / $0[1]
    } oracle: {
      $0[0] / $0[1]
    }
    check("max", [left, right]) {
      maximum($0[0], $0[1])
    } oracle: {
      maximum($0[0], $0[1])
    }
    check("min", [left, right]) {
      minimum($0[0], $0[1])
    } oracle: {
      minimum($0[0], $0[1])
    }
    var generator = Philox(seed: 5)
    let mask = Tensor<Float>.uniform(right, using: &generator) .> 0.5
    check("select", [left, right]) {
      select(mask, $0[0], $0[1])
    } oracle: {
      select(mask, $0[0], $0[1])
    }
  }

  @Test(arguments: [[], [1], [17], [3, 5], [0]] as [Shape])
  func numbers(shape: Shape) {
    GradientCheck(range: 0.5...2)("numbers", [shape]) { inputs in
      let inner: Variable = 2 / inputs[0] + 1
      let outer: Variable = (3 - inner * 4 - 0.5) / 7
      return outer + 2 * -inputs[0]
    } oracle: { inputs in
      let inner: Tensor<Double> = 2 / inputs[0] + 1
      let outer: Tensor<Double> = (3 - inner * 4 - 0.5) / 7
      return outer + 2 * -inputs[0]
    }
  }

  @Test func equalOperandsShareTheGradient() {
    let (a, b) = (Variable(following: Tensor([1, 2])), Variable(following: Tensor([1, 3])))
    maximum(a, b).sum().backward()
    #expect(a.gradient?.elements == [0.5, 0])
    #expect(b.gradient?.elements == [0.5, 1])
  }

  static let reductionCases: [(Shape, [Int])] = [
    ([], []), ([3], []), ([2, 3], [0]), ([2, 3], [-1]), ([2, 3, 4], [0, 2]), ([4, 1, 3], [1]),
    ([1, 5], [0]), ([2, 3, 2, 3], [1, 3]),
  ]

  @Test(arguments: reductionCases)
  func reductions(shape: Shape, axes: [Int]) {
    for keeping in [false, true] {
      GradientCheck()("sum", [shape]) {
        $0[0].sum(axes: axes, keepingDimensions: keeping)
      } oracle: {
        $0[0].sum(axes: axes, keepingDimensions: keeping)
      }
      GradientCheck()("mean", [shape]) {
        $0[0].mean(axes: axes, keepingDimensions: keeping)
      } oracle: {
        $0[0].mean(axes: axes, keepingDimensions: keeping)
      }
      GradientCheck()("max", [shape]) {
        $0[0].max(axes: axes, keepingDimensions: keeping)
      } oracle: {
        $0[0].max(axes: axes, keepingDimensions: keeping)
      }
      GradientCheck()("min", [shape]) {
        $0[0].min(axes: axes, keepingDimensions: keeping)
      } oracle: {
        $0[0].min(axes: axes, keepingDimensions: keeping)
      }
      GradientCheck()("product", [shape]) {
        $0[0].product(axes: axes, keepingDimensions: keeping)
      } oracle: {
        $0[0].product(axes: axes, keepingDimensions: keeping)
      }
      GradientCheck()("logSumExp", [shape]) {
        $0[0].logSumExp(axes: axes, keepingDimensions: keeping)
      } oracle: {
        var sums = $0[0]
        sums.withUnsafeMutableElements { x in for i in x.indices { x[i] = exp(x[i]) } }
        sums = sums.sum(axes: axes, keepingDimensions: keeping)
        sums.withUnsafeMutableElements { x in for i in x.indices { x[i] = log(x[i]) } }
        return sums
      }
      let kept = Tensor<Float>.zeros(shape).sum(axes: axes).count
      let joined = shape.count / max(kept, 1)
      for correction in [0, 1] where joined > correction {
        GradientCheck()("variance", [shape]) {
          $0[0].variance(axes: axes, correction: correction, keepingDimensions: keeping)
        } oracle: {
          $0[0].variance(axes: axes, correction: correction, keepingDimensions: keeping)
        }
      }
    }
  }

  @Test func productsWithZeros() {
    let x = Variable(following: Tensor<Float>([2, 0, 3, 0, 0, 4, 5, 6, 7], shape: [3, 3]))
    x.product(axes: 1).sum().backward()
    #expect(x.gradient?.elements == [0, 6, 0, 0, 0, 0, 42, 35, 30])
  }
}
