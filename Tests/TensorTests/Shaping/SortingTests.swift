import Tensor
import Testing

@Suite struct SortingTests {
  /// The standard library's stable sort of places.
  private func places<Element: Comparable>(_ line: [Element], descending: Bool) -> [Int32] {
    line.indices.sorted { a, b in
      line[a] == line[b] ? a < b : descending ? line[a] > line[b] : line[a] < line[b]
    }.map(Int32.init)
  }

  @Test(arguments: [0, 1, 2, 5, 511, 512, 513, 3000], [false, true])
  func sortingIsStable(count: Int, descending: Bool) {
    var generator = Philox(seed: UInt64(count))
    // Few values, so that many are equal.
    let x = Tensor<Int32>.integers([count], in: -50..<50, using: &generator)
    let expected = places(x.elements, descending: descending)
    #expect(x.argSorted(descending: descending).elements == expected)
    let floats = x.converted(to: Float.self) * 0.37
    #expect(floats.argSorted(descending: descending).elements == expected)
    let doubles = x.converted(to: Double.self)
    #expect(doubles.argSorted(descending: descending).elements == expected)
    let large = x.converted(to: Int64.self)
    #expect(
      large.sorted(descending: descending).elements == expected.map { large.elements[Int($0)] }
    )
  }

  @Test func wholeRangeOfFloats() {
    var generator = Philox(seed: 4)
    let x = Tensor<Float>.normal([5000], deviation: 1e20, using: &generator)
    #expect(x.sorted().elements == x.elements.sorted())
    let special: [Float] = [
      .nan, 1, -.infinity, 0, -0.0, .infinity, -.nan, -1, .leastNonzeroMagnitude,
    ]
    let order = Tensor(special).argSorted()
    #expect(order.elements == [2, 7, 3, 4, 8, 1, 5, 0, 6])
    #expect(Tensor(special).argSorted(descending: true).elements == [0, 6, 5, 1, 8, 3, 4, 7, 2])
    #expect(Tensor(special.map(Double.init)).argSorted().elements == order.elements)
  }

  @Test func sortingAlongAnyAxis() {
    let x = Tensor<Float>([[3, 1], [2, 5], [9, 0]])
    #expect(x.sorted(axis: 0) == Tensor([[2, 0], [3, 1], [9, 5]]))
    #expect(x.argSorted(axis: 0) == Tensor([[1, 2], [0, 0], [2, 1]]))
    #expect(x.sorted(axis: 1, descending: true) == Tensor([[3, 1], [5, 2], [9, 0]]))
  }

  @Test(arguments: [(1, 10), (3, 10), (10, 10), (5, 5000), (700, 5000), (0, 4)])
  func topKIsTheFrontOfTheOrder(count: Int, extent: Int) {
    var generator = Philox(seed: 5)
    let x = Tensor<Int32>.integers([3, extent], in: -1000..<1000, using: &generator)
      .converted(to: Float.self)
    for largest in [true, false] {
      let top = x.topK(count, largest: largest)
      let order = x.argSorted(descending: largest)[.all, ..<count]
      #expect(top.indices == order)
      #expect(top.values == x.gathered(order, axis: 1))
    }
  }

  @Test func runningSums() {
    let x = Tensor<Float>([[1, 2, 3], [10, 20, 30]])
    #expect(x.cumulativeSum(axis: 1) == Tensor([[1, 3, 6], [10, 30, 60]]))
    #expect(x.cumulativeSum(axis: 0) == Tensor([[1, 2, 3], [11, 22, 33]]))
    #expect(x.cumulativeSum(axis: -1, exclusive: true) == Tensor([[0, 1, 3], [0, 10, 30]]))
    #expect(x.cumulativeSum(axis: 1, reversed: true) == Tensor([[6, 5, 3], [60, 50, 30]]))
    #expect(
      x.cumulativeSum(axis: 1, exclusive: true, reversed: true)
        == Tensor([[5, 3, 0], [50, 30, 0]])
    )
    #expect(Tensor<Int32>([.max, 1]).cumulativeSum(axis: 0).elements == [.max, .min])
    #expect(Tensor<Float>.zeros([2, 0]).cumulativeSum(axis: 0).shape == [2, 0])
    // In single precision the small numbers would vanish beside the first.
    let many = Tensor<Float>.concatenating([Tensor([0x1p24]), .ones([1000])])
    #expect(many.cumulativeSum(axis: 0)[-1].item == 0x1p24 + 1000)
  }
}
