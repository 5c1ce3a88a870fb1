import Tensor
import Testing

@Suite struct GatheringTests {
  @Test func takingAlongAnyAxis() {
    let tensor = counting([3, 4, 2])
    let ids = Tensor<Int32>([2, 0, 2])
    #expect(
      tensor.taking(ids, axis: 0)
        == tensor.picked([3, 4, 2]) { [[2, 0, 2][$0[0]], $0[1], $0[2]] }
    )
    #expect(
      tensor.taking(ids, axis: 1)
        == tensor.picked([3, 3, 2]) { [$0[0], [2, 0, 2][$0[1]], $0[2]] }
    )
    let table = Tensor<Int32>([[0, 1], [1, 1]])
    #expect(tensor.taking(table, axis: -1).shape == [3, 4, 2, 2])
    #expect(tensor.taking(table, axis: -1)[.rest, 1, 0] == tensor[.rest, 1])
    #expect(tensor.taking(Tensor([Int32]()), axis: 1).shape == [3, 0, 2])
    #expect(tensor.taking(Tensor<Int32>(scalar: 1), axis: 1) == tensor[.all, 1])
  }

  @Test func gatheringHasIndicesForEveryLine() {
    let tensor = counting([2, 3, 2])
    let ids = Tensor<Int32>([[[0, 2], [1, 1]], [[2, 0], [2, 1]]])
    let expected = tensor.picked([2, 2, 2]) { [$0[0], Int(ids[$0[0], $0[1], $0[2]].item), $0[2]] }
    #expect(tensor.gathered(ids, axis: 1) == expected)
    #expect(
      tensor.converted(to: Double.self).gathered(ids, axis: 1)
        == expected.converted(to: Double.self)
    )
  }

  @Test func addingAtIndicesAddsUp() {
    let x = Tensor<Float>.zeros([3, 2]).adding(
      Tensor([[1, 2], [10, 20], [100, 200]]),
      at: Tensor([2, 0, 2]),
      axis: 0
    )
    #expect(x == Tensor([[10, 20], [0, 0], [101, 202]]))
    let y = Tensor<Float>.ones([2, 3]).adding(
      Tensor([[1, 2], [3, 4]]),
      at: Tensor([1, 1]),
      axis: 1
    )
    #expect(y == Tensor([[1, 4, 1], [1, 8, 1]]))
  }

  @Test func scatteringIsTheAdjointOfGathering() {
    var generator = Philox(seed: 3)
    let x = Tensor<Int32>.integers([4, 5, 3], in: -9..<9, using: &generator)
      .converted(to: Float.self)
    let ids = Tensor<Int32>.integers([4, 7, 3], in: 0..<5, using: &generator)
    let y = Tensor<Int32>.integers([4, 7, 3], in: -9..<9, using: &generator)
      .converted(to: Float.self)
    let there = (x.gathered(ids, axis: 1) * y).sum()
    let back = (x * Tensor.zeros([4, 5, 3]).scatterAdding(y, at: ids, axis: 1)).sum()
    #expect(there == back)
  }

  @Test func segments() {
    let x = Tensor<Float>([[1, -2], [3, -4], [5, -6], [7, .nan]])
    let ids = Tensor<Int32>([2, 0, 2, 3])
    #expect(
      x[..<3].segmentSum(ids[..<3], count: 4) == Tensor([[3, -4], [0, 0], [6, -8], [0, 0]])
    )
    #expect(x[..<3].segmentMean(ids[..<3], count: 3) == Tensor([[3, -4], [0, 0], [3, -4]]))
    let largest = x.segmentMax(ids, count: 4, empty: -7)
    #expect(largest[..<3] == Tensor([[3, -4], [-7, -7], [5, -2]]))
    #expect(largest[3, 0].item == 7 && largest[3, 1].item.isNaN)
    #expect(Tensor<Float>.zeros([0, 2]).segmentSum(Tensor([Int32]()), count: 2) == .zeros([2, 2]))
  }

  @Test func truePlaces() {
    let mask = Tensor([[true, false], [false, true], [true, true]])
    #expect(mask.trueIndices() == Tensor([[0, 0], [1, 1], [2, 0], [2, 1]]))
    #expect(Tensor([false]).trueIndices().shape == [0, 1])
    #expect(
      counting([3, 2]).rows(where: Tensor([true, false, true])) == Tensor([[0, 1], [4, 5]])
    )
  }

  @Test func oneHotRows() {
    #expect(Tensor.oneHot(Tensor([2, 0]), count: 3) == Tensor([[0, 0, 1], [1, 0, 0]]))
  }
}
