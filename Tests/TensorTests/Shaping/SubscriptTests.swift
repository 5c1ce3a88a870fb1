import Tensor
import Testing

@Suite struct SubscriptTests {
  private let tensor = counting([4, 5, 6])

  @Test func eachAxisHasItsSelection() {
    #expect(tensor[1, 2, 3].item == 45)
    #expect(tensor[-1, -1] == tensor[3][4])
    #expect(tensor[.all, 2] == tensor.picked([4, 6]) { [$0[0], 2, $0[1]] })
    #expect(
      tensor[1..<3, 2..., ..<2] == tensor.picked([2, 3, 2]) { [$0[0] + 1, $0[1] + 2, $0[2]] }
    )
    #expect(tensor[1...2] == tensor[1..<3])
    #expect(tensor[(-2)...] == tensor[2..<4])
    #expect(tensor[..<(-1)] == tensor[0..<3])
    #expect(tensor[...2] == tensor[0..<3])
    #expect(tensor[...(-1)] == tensor)
    #expect(tensor[2, .rest, -1] == tensor.picked([5]) { [2, $0[0], 5] })
    #expect(tensor[.rest, 0].shape == [4, 5])
  }

  @Test func stepsAndReversal() {
    #expect(
      tensor[.every(2), .all, .every(3, from: 1)]
        == tensor.picked([2, 5, 2]) { [$0[0] * 2, $0[1], 1 + $0[2] * 3] }
    )
    #expect(tensor[.every(3, from: 0, to: -1)].shape == [1, 5, 6])
    #expect(tensor[.all, .reversed] == tensor.flipped(1))
    #expect(tensor[.every(2, from: 1, to: 1)].shape == [0, 5, 6])
  }

  @Test func newAxes() {
    #expect(tensor[.newAxis, .all, .newAxis, 0].shape == [1, 4, 1, 6])
    #expect(tensor[.rest, .newAxis].shape == [4, 5, 6, 1])
    #expect(tensor[.rest, .newAxis].flattened() == tensor.flattened())
  }

  @Test func denseSelectionsShareMemory() throws {
    let start = try #require(tensor.withUnsafeElements { $0.baseAddress })
    #expect(tensor[1, 2...].withUnsafeElements { $0.baseAddress } == start + 42)
    #expect(tensor[1...].withUnsafeElements { $0.baseAddress } == start + 30)
  }

  @Test func assignmentReplacesTheSelection() {
    var changed = tensor
    changed[.all, 1] = Tensor(scalar: -1)
    changed[0] = counting([6]) * 100
    changed[2..<4, .all, .every(2)] = Tensor([[[7]], [[8]]])
    for list in indices(of: tensor.shape) {
      let (i, j, k) = (list[0], list[1], list[2])
      var expected = tensor[i, j, k].item
      if j == 1 { expected = -1 }
      if i == 0 { expected = Int32(k * 100) }
      if i >= 2 && k % 2 == 0 { expected = i == 2 ? 7 : 8 }
      #expect(changed[i, j, k].item == expected)
    }
    #expect(tensor[0, 1, 0].item == 6)
  }

  @Test func assignmentInPlace() {
    var x = counting([3, 2], Float.self)
    x[1..<3] += 10
    x[.all, 0] *= 2
    #expect(x.elements == [0, 1, 24, 13, 28, 15])
    x[0] = x[2]
    #expect(x.elements == [28, 15, 24, 13, 28, 15])
    x[1..<1] = Tensor(scalar: 5)
    #expect(x.elements == [28, 15, 24, 13, 28, 15])
  }
}
