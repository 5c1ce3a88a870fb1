import Foundation
import Tensor
import TestSupport
import Testing

/// Broadcasting by its definition: every element found from its indices.
func broadcast<Left, Right, Result: TensorElement>(
  _ left: Tensor<Left>,
  _ right: Tensor<Right>,
  _ function: (Left, Right) -> Result
) -> Tensor<Result> {
  let rank = max(left.rank, right.rank)
  func padded(_ shape: Shape) -> [Int] {
    Array(repeating: 1, count: rank - shape.rank) + shape.extents
  }
  let (a, b) = (padded(left.shape), padded(right.shape))
  let extents = zip(a, b).map { $0 == 1 ? $1 : $0 }
  let (x, y) = (left.elements, right.elements)
  let elements = (0..<extents.reduce(1, *)).map { position -> Result in
    var (rest, i, j, leftStride, rightStride) = (position, 0, 0, 1, 1)
    for axis in (0..<rank).reversed() {
      let index = rest % extents[axis]
      rest /= extents[axis]
      if a[axis] != 1 { i += index * leftStride }
      if b[axis] != 1 { j += index * rightStride }
      leftStride *= a[axis]
      rightStride *= b[axis]
    }
    return function(x[i], y[j])
  }
  return Tensor(elements, shape: Shape(extents))
}

@Suite struct BroadcastTests {
  static let pairs: [(Shape, Shape)] = [
    ([], []), ([3], []), ([], [2, 0]), ([2, 3], [3]), ([3], [2, 3]), ([2, 1], [1, 3]),
    ([5, 1, 7], [5, 6, 1]), ([4, 1, 3, 1], [2, 1, 17]), ([2, 3, 4], [2, 3, 4]),
    ([2, 1, 4, 1, 3], [5, 1, 2, 1]), ([1, 1], [1]), ([0, 3], [1, 3]), ([70, 3000], [3000]),
    ([70, 3000], [70, 1]), ([300_001], [1]), ([2, 200_003], [2, 1]), ([33, 1, 65], [1, 129, 1]),
    ([1, 2, 1, 2, 1, 2], [2, 1, 2, 1, 2, 1]),
  ]

  private func sample(_ shape: Shape, _ seed: UInt64) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .uniform(shape, from: 0.5, to: 4, using: &generator)
  }

  @Test(arguments: pairs)
  func arithmeticFollowsTheDefinition(left: Shape, right: Shape) {
    let (a, b) = (sample(left, 1), sample(right, 2))
    #expect(a + b == broadcast(a, b) { $0 + $1 })
    #expect(a - b == broadcast(a, b) { $0 - $1 })
    #expect(a * b == broadcast(a, b) { $0 * $1 })
    #expect(a / b == broadcast(a, b) { $0 / $1 })
    #expect(minimum(a, b) == broadcast(a, b) { Swift.min($0, $1) })
    #expect(maximum(a, b) == broadcast(a, b) { Swift.max($0, $1) })
  }

  @Test(arguments: pairs)
  func comparisonsFollowTheDefinition(left: Shape, right: Shape) {
    let (a, b) = (sample(left, 3), sample(right, 4))
    #expect((a .< b) == broadcast(a, b) { $0 < $1 })
    #expect((a .<= b) == broadcast(a, b) { $0 <= $1 })
    #expect((a .> b) == broadcast(a, b) { $0 > $1 })
    #expect((a .>= b) == broadcast(a, b) { $0 >= $1 })
    #expect((a .== b) == broadcast(a, b) { $0 == $1 })
    #expect((a .!= b) == broadcast(a, b) { $0 != $1 })
    let (p, q) = (a .< 2, b .> 2)
    #expect((p .& q) == broadcast(p, q) { $0 && $1 })
    #expect((p .| q) == broadcast(p, q) { $0 || $1 })
    #expect((p .^ q) == broadcast(p, q) { $0 != $1 })
    #expect((.!p) == broadcast(p, p) { left, _ in !left })
  }

  @Test(arguments: pairs)
  func otherNumbersFollowTheDefinition(left: Shape, right: Shape) {
    let wide = (sample(left, 5), sample(right, 6))
    let a = Tensor(wide.0.elements.map { Int32($0 * 10) - 20 }, shape: left)
    let b = Tensor(wide.1.elements.map { Int32($0 * 10) }, shape: right)
    #expect(a + b == broadcast(a, b) { $0 + $1 })
    #expect(a * b == broadcast(a, b) { $0 * $1 })
    #expect(a / b == broadcast(a, b) { $0 / $1 })
    #expect((a .< b) == broadcast(a, b) { $0 < $1 })
    let x = Tensor(wide.0.elements.map(Double.init), shape: left)
    let y = Tensor(wide.1.elements.map(Double.init), shape: right)
    #expect(x / y == broadcast(x, y) { $0 / $1 })
    #expect(maximum(x, y) == broadcast(x, y) { Swift.max($0, $1) })
    let big = Tensor<Int64>([.max, .min])
    #expect((big + 1).elements == [.min, .min + 1])
    #expect((big / -1).elements == [-.max, .min])
  }

  @Test(arguments: pairs)
  func selectionFollowsTheDefinition(left: Shape, right: Shape) {
    let (a, b) = (sample(left, 7), sample(right, 8))
    let mask = sample(right, 9) .> 2
    // The chosen side, found from the mask and from each side alone.
    let choice = broadcast(a, mask) { $1 }.elements
    let (x, y) = (broadcast(a, b) { left, _ in left }, broadcast(a, b) { $1 })
    let expected = zip(choice, zip(x.elements, y.elements)).map { $0 ? $1.0 : $1.1 }
    #expect(select(mask, a, b) == Tensor(expected, shape: x.shape))
  }

  @Test func selectionMovesEverySize() {
    let mask = Tensor<Bool>([true, false, true])
    #expect(select(mask, Tensor<UInt8>([1, 2, 3]), 9).elements == [1, 9, 3])
    #expect(select(mask, Tensor<Float16>([1, 2, 3]), 9).elements == [1, 9, 3])
    #expect(select(mask, 9, Tensor<Double>([1, 2, 3])).elements == [9, 2, 9])
    #expect(
      select(mask, Tensor<Bool>([true, true, false]), false).elements == [true, false, false]
    )
  }

  @Test(arguments: pairs)
  func inPlaceEqualsOutOfPlace(left: Shape, right: Shape) {
    let (a, b) = (sample(left, 1), sample(right, 2))
    guard (a + b).shape == left else { return }
    var (sum, difference, product, quotient) = (a, a, a, a)
    sum += b
    difference -= b
    product *= b
    quotient /= b
    #expect(sum == a + b)
    #expect(difference == a - b)
    #expect(product == a * b)
    #expect(quotient == a / b)
    var alone = Tensor(a.elements, shape: left)
    alone += b
    alone += alone
    #expect(alone == (a + b) * 2)
  }

  @Test func numbersOnEitherSide() {
    let x = Tensor<Float>([1, 2, 4])
    #expect((1 - x).elements == [0, -1, -3])
    #expect((8 / x).elements == [8, 4, 2])
    #expect((x / 2).elements == [0.5, 1, 2])
    #expect((-x).elements == [-1, -2, -4])
    #expect((-Tensor<Float>([0])).item.sign == .minus)
    var y = x
    y *= 3
    y -= 1
    #expect(y.elements == [2, 5, 11])
    #expect(x.elements == [1, 2, 4])
  }

  @Test func nanWinsInMinimumAndMaximum() {
    let (x, y) = (Tensor<Float>([.nan, 1, 2]), Tensor<Float>([1, .nan, 3]))
    #expect(minimum(x, y).elements.map(\.isNaN) == [true, true, false])
    #expect(maximum(x, y).elements.map(\.isNaN) == [true, true, false])
    #expect(maximum(x, 0).elements[0].isNaN)
    #expect((x .== x).elements == [false, true, true])
  }

  @Test func truthValuesAreCounted() {
    let mask = Tensor<Bool>([true, false, true])
    #expect(mask.any() && !mask.all() && mask.trueCount == 2)
    #expect(!Tensor<Bool>.zeros([0]).any() && Tensor<Bool>.zeros([0]).all())
  }

  @Test func shapesThatDoNotFitAreBothShown() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tensor<Float>.zeros([2, 3]) * Tensor<Float>.zeros([4, 3])
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("multiply: shapes do not broadcast, [2×3] · [4×3]"))
  }
}
