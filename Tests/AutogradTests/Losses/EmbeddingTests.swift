import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct EmbeddingTests {
  @Test(arguments: [1, 3, 17, 129])
  func gradientsAgreeWithDifferences(width: Int) {
    let ids = Tensor<Int32>([4, 0, 4, 2, 4, 1], shape: [2, 3])
    GradientCheck()("embedding", [[5, width]]) {
      $0[0].embedding(of: ids)
    } oracle: {
      let table = $0[0].elements
      let rows = ids.elements.map { table[Int($0) * width..<(Int($0) + 1) * width] }
      return Tensor(rows.flatMap { $0 }, shape: [2, 3, width])
    }
  }

  @Test func noIdsGiveNoRows() {
    let table = Variable(following: .ones([3, 2]))
    let rows = table.embedding(of: .zeros([0]))
    #expect(rows.shape == [0, 2])
    rows.backward(from: .zeros([0, 2]))
    #expect(table.gradient == .zeros([3, 2]))
  }

  @Test func thePaddingRowGetsNoGradient() {
    let table = Parameter(.ones([3, 2]))
    let ids = Tensor<Int32>([0, 2, 0, 1])
    let rows = table.variable.embedding(of: ids, paddingIndex: 0)
    #expect(rows.value == .ones([4, 2]))
    rows.sum().backward()
    #expect(table.gradient == Tensor([0, 0, 1, 1, 1, 1], shape: [3, 2]))
  }

  @Test func gradientsAddUpInPlace() {
    let table = Parameter(.ones([300, 64]))
    let ids = Tensor<Int32>([7, 7, 299])
    table.variable.embedding(of: ids).sum().backward()
    let place = table.gradient?.withUnsafeElements { $0.baseAddress }
    table.variable.embedding(of: ids).sum().backward()
    #expect(table.gradient?.withUnsafeElements { $0.baseAddress } == place)
    #expect(table.gradient?[7] == Tensor(repeating: 4, shape: [64]))
  }

  @Test func partsDoNotDependOnThreads() {
    var generator = Philox(seed: 31)
    let ids = Tensor<Int32>((0..<1000).map { Int32($0 * $0 % 37) })
    let g = Tensor<Float>.normal([1000, 517], using: &generator)
    func run() -> Tensor<Float>? {
      let table = Variable(following: .zeros([37, 517]))
      table.embedding(of: ids).backward(from: g)
      return table.gradient
    }
    let (one, two) = withThreads(run)
    #expect(one == two)
  }
}
