import Tensor
import Testing

@Suite struct SlicingTests {
  @Test func anIndexDropsTheLeadingAxis() {
    let tensor = counting([2, 3, 2])
    #expect(tensor[1].shape == [3, 2])
    #expect(tensor[1].elements == [6, 7, 8, 9, 10, 11])
    #expect(tensor[-1] == tensor[1])
    #expect(tensor[1][2][0].item == 10)
  }

  @Test func aRangeKeepsTheLeadingAxis() {
    let tensor = counting([4, 2])
    #expect(tensor[1..<3].shape == [2, 2])
    #expect(tensor[1..<3].elements == [2, 3, 4, 5])
    #expect(tensor[1..<4][1..<3].elements == [4, 5, 6, 7])
    #expect(tensor[4..<4].shape == [0, 2])
    #expect(tensor[0..<4] == tensor)
  }

  @Test func slicesAndReshapedTensorsShareMemory() throws {
    let tensor = counting([4, 2])
    let start = try #require(tensor.withUnsafeElements { $0.baseAddress })
    #expect(tensor[2..<4].withUnsafeElements { $0.baseAddress } == start + 4)
    #expect(tensor[3].withUnsafeElements { $0.baseAddress } == start + 6)
    #expect(tensor.reshaped(to: [8]).withUnsafeElements { $0.baseAddress } == start)
  }

  @Test func reshapingKeepsTheOrder() {
    let tensor = counting([2, 6])
    #expect(tensor.reshaped(to: [3, 2, 2]).elements == tensor.elements)
    #expect(tensor[1].reshaped(to: [2, 3])[1].elements == [9, 10, 11])
    #expect(Tensor<Int32>(scalar: 4).reshaped(to: [1, 1]).elements == [4])
    #expect(counting([0, 3]).reshaped(to: [5, 0]).shape == [5, 0])
  }

  @Test(arguments: [(1, 1), (1, 17), (3, 2), (33, 65), (64, 31), (0, 3), (3, 0)])
  func transposingExchangesRowsAndColumns(rows: Int, columns: Int) {
    let tensor = counting([rows, columns])
    let transposed = tensor.transposed()
    var expected: [Int32] = []
    for column in 0..<columns {
      for row in 0..<rows { expected.append(Int32(row * columns + column)) }
    }
    #expect(transposed.shape == [columns, rows])
    #expect(transposed.elements == expected)
    #expect(transposed.transposed() == tensor)
  }

  @Test func rowsAreGatheredInOrderWithRepeats() {
    let tensor = counting([3, 2])
    #expect(tensor.rows([2, 0, 2]).elements == [4, 5, 0, 1, 4, 5])
    #expect(tensor.rows([]).shape == [0, 2])
    #expect(counting([3]).rows([1]).elements == [1])
    #expect(tensor[1..<3].rows([1]).elements == [4, 5])
  }

  @Test func concatenatingJoinsAlongTheLeadingAxis() {
    let tensor = counting([5, 2, 3])
    let parts = [tensor[0..<1], tensor[1..<1], tensor[1..<4], tensor[4..<5]]
    #expect(Tensor.concatenating(parts) == tensor)
    #expect(Tensor.concatenating([tensor]) == tensor)
    #expect(Tensor.concatenating([counting([0, 2]), counting([0, 2])]).shape == [0, 2])
  }

  @Test func equalityComparesShapesAndElements() {
    #expect(counting([2, 3]) != counting([3, 2]))
    #expect(counting([2, 3])[1] == Tensor<Int32>([3, 4, 5]))
    let nan = Tensor<Float>([.nan])
    #expect(nan != nan)
    #expect(Tensor<Float>([0.0]) == Tensor<Float>([-0.0]))
  }
}
