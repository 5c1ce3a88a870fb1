import Tensor
import TestSupport
import Testing

/// Products with batches, vectors and sums in place, against a naive product in Double.
@Suite struct BatchedProductTests {
  /// A matrix of a batch by its index, whatever the rank and the broadcasting.
  private struct Operand {
    let extents: [Int]
    let elements: [Double]
    let isTransposed: Bool

    init(_ tensor: Tensor<Float>, _ isTransposed: Bool) {
      extents = tensor.shape.extents
      elements = tensor.elements.map(Double.init)
      self.isTransposed = isTransposed
    }

    var batch: [Int] { extents.dropLast(2) }
    var rows: Int { isTransposed ? extents[extents.count - 1] : extents[extents.count - 2] }
    var columns: Int { isTransposed ? extents[extents.count - 2] : extents[extents.count - 1] }

    func element(_ batchIndex: [Int], _ row: Int, _ column: Int) -> Double {
      var index = 0
      for (axis, extent) in batch.enumerated() {
        let place = batchIndex[axis + batchIndex.count - batch.count]
        index = index * extent + (extent == 1 ? 0 : place)
      }
      let width = extents[extents.count - 1]
      let (i, j) = isTransposed ? (column, row) : (row, column)
      return elements[index * rows * columns + i * width + j]
    }
  }

  private func naive(_ a: Operand, _ b: Operand, batch: [Int]) -> [Double] {
    var out: [Double] = []
    for flat in 0..<batch.reduce(1, *) {
      var rest = flat
      var index = [Int](repeating: 0, count: batch.count)
      for axis in batch.indices.reversed() {
        index[axis] = rest % batch[axis]
        rest /= batch[axis]
      }
      for row in 0..<a.rows {
        for column in 0..<b.columns {
          var sum = 0.0
          for p in 0..<a.columns { sum += a.element(index, row, p) * b.element(index, p, column) }
          out.append(sum)
        }
      }
    }
    return out
  }

  private static let batches: [([Int], [Int], [Int])] = [
    ([3], [3], [3]), ([3], [], [3]), ([], [4], [4]), ([2, 3], [3], [2, 3]),
    ([2, 1], [1, 3], [2, 3]), ([2, 3], [2, 1], [2, 3]), ([1], [5], [5]),
    ([2, 1, 3], [4, 1], [2, 4, 3]),
    ([9], [9], [9]), ([0], [1], [0]), ([2, 2, 2, 2], [2, 1, 2], [2, 2, 2, 2]),
  ]

  @Test(arguments: batches, [false, true])
  func batchesBroadcast(batch: ([Int], [Int], [Int]), transposingSelf: Bool) {
    var generator = Philox(seed: 11)
    for transposingOther in [false, true] {
      for (m, n, k) in [(1, 1, 1), (3, 5, 2), (17, 16, 9), (4, 33, 31)] {
        let leftShape = Shape(batch.0 + (transposingSelf ? [k, m] : [m, k]))
        let rightShape = Shape(batch.1 + (transposingOther ? [n, k] : [k, n]))
        let a = Tensor<Float>.normal(leftShape, using: &generator)
        let b = Tensor<Float>.normal(rightShape, using: &generator)
        let found = a.matmul(
          b,
          transposingSelf: transposingSelf,
          transposingOther: transposingOther
        )
        #expect(found.shape == Shape(batch.2 + [m, n]))
        let expected = naive(
          Operand(a, transposingSelf),
          Operand(b, transposingOther),
          batch: batch.2
        )
        expectClose(
          found.elements.map(Double.init),
          expected,
          relative: 1e-5,
          absolute: 1e-5,
          "\(leftShape) \(rightShape)"
        )
        let double = inDouble(a).matmul(
          inDouble(b),
          transposingSelf: transposingSelf,
          transposingOther: transposingOther
        )
        expectClose(double.elements, expected, relative: 1e-13, absolute: 1e-13)
      }
    }
  }

  @Test func vectorsAreRowsOnTheLeftAndColumnsOnTheRight() {
    let v = Tensor<Float>([1, 2, 3])
    let a = Tensor<Float>([1, 0, 2, 0, 1, 1], shape: [2, 3])
    // 1·1 + 2·2 + 3·3
    let dot = v.matmul(v)
    #expect(dot.shape == [])
    #expect(dot.item == 14)
    #expect(v.matmul(v, transposingSelf: true, transposingOther: true).item == 14)
    // [1·1 + 0·2 + 2·3, 0·1 + 1·2 + 1·3]
    #expect(a.matmul(v) == Tensor([7, 5]))
    #expect(v.matmul(a, transposingOther: true) == Tensor([7, 5]))
    #expect(Tensor<Float>([1, 2]).matmul(a) == Tensor([1, 2, 4]))
    #expect(a.matmul(Tensor<Float>([1, 2]), transposingSelf: true) == Tensor([1, 2, 4]))
    let batch = Tensor<Float>.ones([4, 5, 2, 3])
    #expect(batch.matmul(v) == Tensor(repeating: 6, shape: [4, 5, 2]))
    #expect(Tensor<Float>.ones([2]).matmul(batch) == Tensor(repeating: 2, shape: [4, 5, 3]))
  }

  @Test(arguments: [1, 3, 200], [1, 5, 700])
  func vectorsOfAnyLength(rows: Int, columns: Int) {
    var generator = Philox(seed: 12)
    let a = Tensor<Float>.normal([rows, columns], using: &generator)
    let (x, y) = (
      Tensor<Float>.normal([columns], using: &generator),
      Tensor<Float>.normal([rows], using: &generator)
    )
    let double = inDouble(a)
    expectClose(
      inDouble(a.matmul(x)).elements,
      double.matmul(inDouble(x)).elements,
      relative: 1e-5,
      absolute: 1e-4
    )
    expectClose(
      inDouble(y.matmul(a)).elements,
      inDouble(y).matmul(double).elements,
      relative: 1e-5,
      absolute: 1e-4
    )
  }

  @Test func emptyExtents() {
    #expect(Tensor<Float>.zeros([2, 3, 0]).matmul(.zeros([2, 0, 4])) == .zeros([2, 3, 4]))
    #expect(Tensor<Float>.zeros([0]).matmul(.zeros([0])).item == 0)
    #expect(Tensor<Float>.zeros([2, 0, 4]).matmul(.zeros([4, 3])).shape == [2, 0, 3])
  }

  @Test func accumulatingFoldsTheLeadingAxes() {
    var generator = Philox(seed: 13)
    let x = Tensor<Float>.normal([3, 7, 5], using: &generator)
    let dy = Tensor<Float>.normal([3, 7, 4], using: &generator)
    let before = Tensor<Float>.normal([4, 5], using: &generator)
    var sum = before
    sum.accumulateProduct(dy, x, transposingLeft: true)
    let rows = inDouble(dy.reshaped(to: [21, 4]))
    let product = rows.matmul(inDouble(x.reshaped(to: [21, 5])), transposingSelf: true)
    let expected = zip(product.elements, before.elements).map { $0 + Double($1) }
    expectClose(sum.elements.map(Double.init), expected, relative: 1e-5, absolute: 1e-5)
  }

  @Test func accumulatingBatches() {
    var generator = Philox(seed: 14)
    let a = Tensor<Float>.normal([2, 3, 4, 5], using: &generator)
    let b = Tensor<Float>.normal([3, 5, 6], using: &generator)
    var sum = Tensor<Float>.ones([2, 3, 4, 6])
    sum.accumulateProduct(a, b)
    expectClose(sum, a.matmul(b) + 1, relative: 1e-5, absolute: 1e-5)
  }

  @Test func accumulatingIntoAnOperandReadsTheOldValue() {
    let identity = Tensor<Float>([1, 0, 0, 1], shape: [2, 2])
    var x = Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
    x.accumulateProduct(x, identity)
    #expect(x.elements == [2, 4, 6, 8])
  }

  @Test func emptySumsLeaveTheTarget() {
    var sum = Tensor<Float>.ones([2, 3])
    sum.accumulateProduct(.zeros([0, 2]), .zeros([0, 3]), transposingLeft: true)
    #expect(sum == .ones([2, 3]))
  }

  @Test func threadsDoNotChangeTheResult() {
    var generator = Philox(seed: 15)
    let a = Tensor<Float>.normal([12, 65, 70], using: &generator)
    let b = Tensor<Float>.normal([12, 70, 63], using: &generator)
    let several = a.matmul(b)
    for i in 0..<12 { #expect(several[i] == a[i].matmul(b[i])) }
  }
}

@Suite struct ProductThreadTests {
  /// Tall, square and flat products, and vectors, with either operand transposed.
  @Test(arguments: [
    (1000, 65, 90), (300, 310, 700), (20, 2100, 90), (1, 1500, 300), (1500, 1, 300),
  ])
  func threadsDoNotChangeTheResult(m: Int, n: Int, k: Int) {
    var generator = Philox(seed: 16)
    for (transposingSelf, transposingOther) in [(false, false), (true, false), (false, true)] {
      let a = Tensor<Float>.normal(transposingSelf ? [k, m] : [m, k], using: &generator)
      let b = Tensor<Float>.normal(transposingOther ? [n, k] : [k, n], using: &generator)
      func product() -> Tensor<Float> {
        a.matmul(b, transposingSelf: transposingSelf, transposingOther: transposingOther)
      }
      let several = product()
      // Inside a part of a job everything runs on one thread.
      nonisolated(unsafe) var alone = several
      WorkPool.forEach(parts: 2) { part in
        if part == 0 { alone = product() }
      }
      #expect(several == alone)
    }
  }
}

/// The same numbers in double precision.
func inDouble(_ tensor: Tensor<Float>) -> Tensor<Double> {
  Tensor(tensor.elements.map(Double.init), shape: tensor.shape)
}
