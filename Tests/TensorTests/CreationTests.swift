import Tensor
import Testing

@Suite struct CreationTests {
  @Test func nestedArrays() {
    #expect(Tensor<Float>([[1, 2], [3, 4], [5, 6]]).shape == [3, 2])
    #expect(Tensor<Int32>([[[1], [2]], [[3], [4]]]).elements == [1, 2, 3, 4])
    #expect(Tensor<Int32>([[[1], [2]], [[3], [4]]]).shape == [2, 2, 1])
  }

  @Test func ranges() {
    #expect(Tensor<Int32>.arange(to: 4).elements == [0, 1, 2, 3])
    #expect(Tensor<Float>.arange(from: 1, to: 0, by: -0.25).elements == [1, 0.75, 0.5, 0.25])
    #expect(Tensor<Int64>.arange(from: 3, to: 3).count == 0)
    #expect(Tensor<Float>.linspace(from: -1, to: 1, count: 5).elements == [-1, -0.5, 0, 0.5, 1])
    #expect(Tensor<Float>.linspace(from: 2, to: 3, count: 1).elements == [2])
    #expect(Tensor<Int32>.identity(2) == Tensor([[1, 0], [0, 1]]))
    #expect(Tensor<Double>.ones([2]).elements == [1, 1])
  }

  @Test func drawsOfOtherKinds() {
    var generator = Philox(seed: 8)
    let numbers = Tensor<Int32>.integers([5000], in: -2..<3, using: &generator).elements
    for value in -2..<3 as Range<Int32> {
      // 1000 expected, with a deviation of 28.
      #expect(abs(numbers.count { $0 == value } - 1000) < 140)
    }
    let truths = Tensor<Bool>.bernoulli([10_000], probability: 0.3, using: &generator)
    #expect(abs(truths.trueCount - 3000) < 230)
    #expect(Tensor<Bool>.bernoulli([99], probability: 1, using: &generator).all())
    #expect(!Tensor<Bool>.bernoulli([99], probability: 0, using: &generator).any())
    let order = Tensor<Int32>.permutation(100, using: &generator)
    #expect(order.sorted().elements == Array(0..<100))
    #expect(order.elements != Array(0..<100))
  }

  @Test func drawsFollowOneAnother() {
    var generator = Philox(seed: 9)
    let first = Tensor<Float>.uniform([100], using: &generator)
    let second = Tensor<Float>.uniform([100], using: &generator)
    #expect(Set(first.elements).intersection(second.elements).count < 3)
    // A longer draw begins as a shorter one does.
    var again = Philox(seed: 9)
    #expect(Tensor<Float>.uniform([100_000], using: &again)[..<100] == first)
  }
}
