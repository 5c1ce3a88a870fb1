import Tensor
import Testing

@Suite struct ShapingTests {
  @Test(arguments: [
    ([2, 3, 4], [2, 0, 1]), ([2, 3, 4], [0, 2, 1]), ([33, 65], [1, 0]),
    ([3, 1, 5, 2], [3, 1, 0, 2]),
    ([2, 0, 3], [2, 1, 0]), ([4], [0]), ([2, 3, 2, 3, 2, 3], [5, 3, 1, 0, 2, 4]),
    ([40, 3, 50], [2, 1, 0]), ([1, 7, 1], [2, 1, 0]),
  ])
  func permutingMovesAxes(extents: [Int], axes: [Int]) {
    let tensor = counting(Shape(extents))
    let shape = Shape(axes.map { extents[$0] })
    let expected = tensor.picked(shape) { list in
      var source = list
      for (place, axis) in axes.enumerated() { source[axis] = list[place] }
      return source
    }
    #expect(tensor.permuted(axes) == expected)
    #expect(tensor.converted(to: Int64.self).permuted(axes) == expected.converted(to: Int64.self))
    #expect(
      tensor.converted(to: Float16.self).permuted(axes) == expected.converted(to: Float16.self)
    )
    #expect(tensor.converted(to: UInt8.self).permuted(axes) == expected.converted(to: UInt8.self))
  }

  @Test func largePermutationsAreShared() {
    let tensor = counting([300, 70, 20])
    #expect(
      tensor.permuted(2, 0, 1) == tensor.picked([20, 300, 70]) { [$0[1], $0[2], $0[0]] }
    )
    #expect(tensor.permuted(2, 0, 1).permuted(1, 2, 0) == tensor)
  }

  @Test func transposingExchangesTheLastAxes() {
    let tensor = counting([2, 3, 4])
    #expect(tensor.transposed() == tensor.permuted(0, 2, 1))
    #expect(tensor.transposed(0, -1) == tensor.permuted(2, 1, 0))
  }

  @Test func axesComeAndGo() {
    let tensor = counting([2, 1, 3, 1])
    #expect(tensor.squeezed().shape == [2, 3])
    #expect(tensor.squeezed(axis: -1).shape == [2, 1, 3])
    #expect(tensor.expandingDimensions(at: 0).shape == [1, 2, 1, 3, 1])
    #expect(counting([2, 3]).expandingDimensions(at: -1).shape == [2, 3, 1])
    #expect(tensor.flattened().shape == [6])
    #expect(counting([2, 3, 4, 5]).flattened(from: 1, through: 2).shape == [2, 12, 5])
    #expect(Tensor<Int32>(scalar: 1).flattened().shape == [1])
  }

  @Test(arguments: [
    ([3], [2, 3]), ([3, 1], [3, 4]), ([1, 3, 1], [2, 5, 3, 4]), ([], [2, 2]), ([1], [0]),
    ([2, 3], [2, 3]), ([2, 1, 2], [2, 0, 2]),
  ])
  func broadcastingRepeats(from extents: [Int], to larger: [Int]) {
    let tensor = counting(Shape(extents))
    let missing = larger.count - extents.count
    let expected = tensor.picked(Shape(larger)) { list in
      zip(list.dropFirst(missing), extents).map { $1 == 1 ? 0 : $0 }
    }
    #expect(tensor.broadcast(to: Shape(larger)) == expected)
  }

  @Test func tilingRepeatsTheWhole() {
    let tensor = counting([2, 3])
    #expect(tensor.tiled(2, 2) == tensor.picked([4, 6]) { [$0[0] % 2, $0[1] % 3] })
    #expect(tensor.tiled(3, 1, 2) == tensor.picked([3, 2, 6]) { [$0[1], $0[2] % 3] })
    #expect(tensor.tiled(0, 2).shape == [0, 6])
  }

  @Test func repeatingRepeatsElements() {
    let tensor = counting([2, 3])
    #expect(tensor.repeated(2, axis: 0) == tensor.picked([4, 3]) { [$0[0] / 2, $0[1]] })
    #expect(tensor.repeated(3, axis: -1) == tensor.picked([2, 9]) { [$0[0], $0[1] / 3] })
  }

  @Test func flippingTurnsAxes() {
    let tensor = counting([3, 4, 2])
    #expect(tensor.flipped(1) == tensor.picked([3, 4, 2]) { [$0[0], 3 - $0[1], $0[2]] })
    #expect(tensor.flipped(0, -1) == tensor.picked([3, 4, 2]) { [2 - $0[0], $0[1], 1 - $0[2]] })
    #expect(tensor.flipped(0, 1, 2).elements == tensor.elements.reversed())
    #expect(counting([0, 2]).flipped(0).shape == [0, 2])
  }

  @Test(arguments: [-7, -4, -1, 0, 1, 3, 4, 9])
  func rollingComesRound(shift: Int) {
    let tensor = counting([2, 4])
    let expected = tensor.picked([2, 4]) { [$0[0], (($0[1] - shift) % 4 + 4) % 4] }
    #expect(tensor.rolled(by: shift, axis: 1) == expected)
  }

  @Test func joiningAndSplittingAreInverse() {
    let tensor = counting([4, 5, 3])
    for (axis, sizes) in [(0, [1, 0, 3]), (1, [2, 2, 1]), (-1, [1, 2])] {
      let parts = tensor.split(sizes: sizes, axis: axis)
      #expect(parts.map { $0.shape[axis] } == sizes)
      #expect(Tensor.concatenating(parts, axis: axis) == tensor)
    }
    #expect(tensor.split(sizes: [2, 3], axis: 1)[1] == tensor.sliced(2..<5, axis: 1))
    #expect(tensor.split(count: 2)[1] == tensor[2..<4])
  }

  @Test func stackingAddsAnAxis() {
    let (a, b) = (counting([2, 3]), counting([2, 3]) * 10)
    #expect(Tensor.stacking([a, b]).elements == a.elements + b.elements)
    #expect(Tensor.stacking([a, b], axis: -1).shape == [2, 3, 2])
    #expect(Tensor.stacking([a, b], axis: -1)[.all, .all, 1] == b)
    #expect(Tensor.stacking([a, b], axis: 1)[.all, 0] == a)
  }

  @Test func paddingWithAConstant() {
    let padded = counting([2, 2]).padded([(1, 0), (0, 2)], mode: .constant(9))
    #expect(padded == Tensor([[9, 9, 9, 9], [0, 1, 9, 9], [2, 3, 9, 9]]))
    #expect(counting([0, 1]).padded([(1, 0), (0, 0)]) == Tensor([[0]]))
  }

  @Test func paddingFromTheElements() {
    let tensor = Tensor<Int32>([1, 2, 3])
    #expect(tensor.padded([(2, 1)], mode: .reflect).elements == [3, 2, 1, 2, 3, 2])
    #expect(tensor.padded([(2, 1)], mode: .replicate).elements == [1, 1, 1, 2, 3, 3])
    #expect(tensor.padded([(2, 3)], mode: .circular).elements == [2, 3, 1, 2, 3, 1, 2, 3])
    let square = counting([2, 3]).padded([(1, 1), (1, 0)], mode: .replicate)
    #expect(square.shape == [4, 4])
    #expect(square[0].elements == [0, 0, 1, 2])
    #expect(square[3].elements == [3, 3, 4, 5])
  }
}
