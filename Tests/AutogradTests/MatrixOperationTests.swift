import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct MatrixOperationTests {
  /// Shapes of two operands, before transposition.
  private static let products: [(Shape, Shape)] = [
    ([1, 1], [1, 1]), ([3, 5], [5, 2]), ([1, 7], [7, 1]), ([2, 3, 4], [4, 5]),
    ([2, 3, 4], [2, 4, 5]), ([2, 1, 3, 4], [3, 4, 2]), ([4], [4]), ([2, 3, 4], [4]), ([4], [4, 3]),
    ([3, 4], [2, 4, 2]), ([0, 4], [4, 3]),
  ]

  @Test func matrixProducts() {
    for (left, right) in Self.products {
      GradientCheck()("matmul \(left) · \(right)", [left, right]) {
        $0[0].matmul($0[1])
      } oracle: {
        $0[0].matmul($0[1])
      }
    }
  }

  @Test(arguments: [(false, true), (true, false), (true, true)])
  func transposedProducts(_ transposing: (Bool, Bool)) {
    for batch in [[], [2], [2, 3]] {
      for isShared in [false, true] {
        let left = Shape(batch + (transposing.0 ? [4, 3] : [3, 4]))
        let right = Shape((isShared ? [] : batch) + (transposing.1 ? [5, 4] : [4, 5]))
        GradientCheck()("matmul \(left) · \(right) \(transposing)", [left, right]) {
          $0[0].matmul(
            $0[1],
            transposingSelf: transposing.0,
            transposingOther: transposing.1
          )
        } oracle: {
          $0[0].matmul(
            $0[1],
            transposingSelf: transposing.0,
            transposingOther: transposing.1
          )
        }
      }
    }
  }

  /// The second map adds its gradient to what the first has brought.
  @Test func mapsThatShareAnInput() {
    for shape in [[5], [17, 5], [2, 3, 5], [0, 5]] as [Shape] {
      GradientCheck()("two maps of \(shape)", [shape, [3, 5], [3, 5]]) {
        linear($0[0], weight: $0[1]) + linear($0[0], weight: $0[2])
      } oracle: { inputs in
        let left = inputs[0].matmul(inputs[1], transposingOther: true)
        let right = inputs[0].matmul(inputs[2], transposingOther: true)
        return Tensor(zip(left.elements, right.elements).map { $0 + $1 }, shape: left.shape)
      }
    }
  }

  @Test func linearMaps() {
    for shape in [[5], [1, 5], [17, 5], [2, 3, 5], [0, 5]] as [Shape] {
      GradientCheck()("linear of \(shape)", [shape, [3, 5]]) {
        linear($0[0], weight: $0[1])
      } oracle: {
        $0[0].matmul($0[1], transposingOther: true)
      }
      GradientCheck()("linear of \(shape) with bias", [shape, [3, 5], [3]]) {
        linear($0[0], weight: $0[1], bias: $0[2])
      } oracle: { inputs in
        let product = inputs[0].matmul(inputs[1], transposingOther: true)
        let bias = inputs[2].elements
        let sums = product.elements.enumerated().map { $1 + bias[$0 % 3] }
        return Tensor(sums, shape: product.shape)
      }
    }
  }

  @Test func aWeightThatIsUsedTwiceCollectsBothGradients() {
    GradientCheck()("tied", [[4, 3], [3, 3]]) {
      linear(linear($0[0], weight: $0[1]), weight: $0[1])
    } oracle: {
      $0[0].matmul($0[1], transposingOther: true).matmul($0[1], transposingOther: true)
    }
  }

  @Test func sumsMeansAndArithmetic() {
    for shape in [[], [1], [17], [3, 5]] as [Shape] {
      GradientCheck(range: 0.5...2)("(a·b − a/b)·3 + 1", [shape, shape]) {
        ($0[0] * $0[1] - $0[0] / $0[1]) * 3 + 1
      } oracle: { inputs in
        let pairs = zip(inputs[0].elements, inputs[1].elements)
        return Tensor(pairs.map { ($0 * $1 - $0 / $1) * 3 + 1 }, shape: inputs[0].shape)
      }
      GradientCheck()("sum and mean", [shape]) {
        $0[0].sum() + ($0[0] * $0[0]).mean()
      } oracle: {
        let x = $0[0].elements
        let squares = x.map { $0 * $0 }.reduce(0, +)
        return Tensor([x.reduce(0, +) + squares / Double(x.count)], shape: [])
      }
    }
  }

  @Test func innerExtentsThatDifferShowBothShapes() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Variable(Tensor<Float>.zeros([2, 3])).matmul(Variable(Tensor<Float>.zeros([4, 5])))
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("inner extents differ, [2×3] · [4×5]"))
  }
}
