import Autograd
import Tensor
import Testing

/// Linear operations: the gradient must be the transpose of what the operation does, exactly.
@Suite struct ShapingOperationTests {
  /// Small whole numbers: their sums are exact.
  private func numbers(_ shape: Shape, _ seed: UInt64) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return Tensor<Int32>.integers(shape, in: -8..<9, using: &generator).converted(to: Float.self)
  }

  /// Expects the gradient of Σ w ⊙ f(x) at each element j to be Σ w ⊙ (f(e_j) − f(0)).
  private func expectAdjoint(
    _ shape: Shape,
    _ operation: (Variable) -> Variable,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let x = Parameter(numbers(shape, 1))
    let y = operation(x.variable)
    let weights = numbers(y.shape, 2)
    (y * Variable(weights)).sum().backward()
    let gradient = try #require(x.gradient, sourceLocation: sourceLocation)
    let base = operation(Variable(.zeros(shape))).value
    let expected = (0..<shape.count).map { place in
      var unit = Tensor<Float>.zeros([shape.count])
      unit[place] = Tensor(scalar: 1)
      return ((operation(Variable(unit.reshaped(to: shape))).value - base) * weights).sum()
    }
    #expect(gradient.elements == expected, sourceLocation: sourceLocation)
  }

  @Test func movingAxes() throws {
    try expectAdjoint([2, 3, 4]) { $0.permuted(2, 0, 1) }
    try expectAdjoint([2, 3, 4]) { $0.permuted(-1, 1, 0) }
    try expectAdjoint([3, 5]) { $0.transposed() }
    try expectAdjoint([2, 3, 4]) { $0.transposed(0, 2) }
    try expectAdjoint([2, 3]) { $0.expandingDimensions(at: 1).squeezed(axis: 1).flattened() }
    try expectAdjoint([3, 4]) { $0.flipped(0, 1) }
    try expectAdjoint([3, 4]) { $0.rolled(by: 3, axis: 1) }
    try expectAdjoint([0, 2]) { $0.permuted(1, 0) }
    try expectAdjoint([1]) { $0.reshaped(to: []) }
  }

  @Test func repeating() throws {
    try expectAdjoint([3, 1]) { $0.broadcast(to: [2, 3, 4]) }
    try expectAdjoint([]) { $0.broadcast(to: [2, 2]) }
    try expectAdjoint([2, 3]) { $0.tiled(2, 1, 2) }
    try expectAdjoint([2, 3]) { $0.repeated(3, axis: 0) }
    try expectAdjoint([2, 3, 2]) { $0.sum(axes: 0, 2) }
  }

  @Test func joining() throws {
    try expectAdjoint([2, 3]) { .concatenating([$0, $0 * 2, $0], axis: 1) }
    try expectAdjoint([2, 3]) { .stacking([$0, $0 * 3], axis: -1) }
    try expectAdjoint([4, 3]) { x in
      let parts = x.split(sizes: [1, 3])
      return parts[1] * 2 - parts[0]
    }
    try expectAdjoint([2, 6]) { x in
      let parts = x.split(count: 3, axis: 1)
      return parts[0] + parts[2] * 5
    }
  }

  @Test func selecting() throws {
    try expectAdjoint([4, 3]) { $0[1] + $0[-1] + $0[1] }
    try expectAdjoint([4, 3]) { $0[1..<3] }
    try expectAdjoint([4, 5, 3]) { $0[.every(2), 1..., -1] }
    try expectAdjoint([4, 5]) { $0[.all, .newAxis, .reversed] }
    try expectAdjoint([4, 5]) { $0[2..., .every(3)] + $0[..<2, .every(3)] }
    try expectAdjoint([4, 3]) { $0.sliced(1..<1, axis: 1) }
  }

  @Test func padding() throws {
    let widths = [(before: 1, after: 2), (before: 0, after: 1)]
    try expectAdjoint([3, 4]) { $0.padded(widths, mode: .constant(5)) }
    try expectAdjoint([3, 4]) { $0.padded(widths, mode: .reflect) }
    try expectAdjoint([3, 4]) { $0.padded(widths, mode: .replicate) }
    try expectAdjoint([3, 4]) { $0.padded(widths, mode: .circular) }
  }

  @Test func gathering() throws {
    let ids = Tensor<Int32>([2, 0, 2, 1, 2])
    try expectAdjoint([3, 2]) { $0.taking(ids, axis: 0) }
    try expectAdjoint([2, 3, 2]) { $0.taking(ids, axis: 1) }
    try expectAdjoint([2, 3]) { $0.taking(Tensor([[0, 1], [1, 1]]), axis: 1) }
    let lines = Tensor<Int32>([[0, 1, 1, 0], [2, 2, 2, 2]])
    try expectAdjoint([2, 3]) { $0.gathered(lines, axis: 1) }
    let other = Variable(numbers([2, 4], 5))
    try expectAdjoint([2, 3]) { $0.scatterAdding(other, at: lines, axis: 1) }
    try expectAdjoint([2, 4]) { Variable(.zeros([2, 3])).scatterAdding($0, at: lines, axis: 1) }
    try expectAdjoint([5, 2]) { Variable(.zeros([3, 2])).adding($0, at: ids, axis: 0) }
    try expectAdjoint([3, 2]) { $0.adding(Variable(.ones([5, 2])), at: ids, axis: 0) }
    try expectAdjoint([5, 2]) { $0.segmentSum(ids, count: 4) }
    try expectAdjoint([5]) { $0.segmentMean(Tensor([0, 2, 2, 0, 1]), count: 4) }
  }

  @Test func runningSums() throws {
    for exclusive in [false, true] {
      for reversed in [false, true] {
        try expectAdjoint([2, 4]) {
          $0.cumulativeSum(axis: 1, exclusive: exclusive, reversed: reversed)
        }
        try expectAdjoint([3, 2]) {
          $0.cumulativeSum(axis: 0, exclusive: exclusive, reversed: reversed)
        }
      }
    }
  }

  @Test func orderCarriesGradients() throws {
    let x = Parameter(Tensor([[3, 1, 2], [0, 5, 4]]))
    (x.variable.sorted() * Variable(Tensor([1, 10, 100]))).sum().backward()
    #expect(x.gradient == Tensor([[100, 1, 10], [1, 100, 10]]))
    x.clearGradient()
    let top = x.variable.topK(2)
    #expect(top.indices == Tensor([[0, 2], [1, 2]]))
    (top.values * Variable(Tensor([1, 10]))).sum().backward()
    #expect(x.gradient == Tensor([[1, 0, 10], [0, 1, 10]]))
  }

  @Test func theLargestOfASegmentTakesItsGradient() {
    let x = Parameter(Tensor<Float>([[1, 2], [3, 2], [5, 0]]))
    let largest = x.variable.segmentMax(Tensor([1, 1, 0]), count: 3, empty: 9)
    #expect(largest.value == Tensor([[5, 0], [3, 2], [9, 9]]))
    (largest * Variable(Tensor([[1, 2], [4, 8], [16, 32]]))).sum().backward()
    #expect(x.gradient == Tensor([[0, 4], [4, 4], [1, 2]]))
  }
}
