import Tensor
import TestSupport
import Testing

@Suite struct MatrixProductTests {
  /// op(a) · op(b) in Double, and Σ |a·b| of each element, which bounds the rounding error.
  private func naive(
    _ a: Tensor<Float>,
    _ b: Tensor<Float>,
    _ transposingA: Bool,
    _ transposingB: Bool
  ) -> (values: [Double], magnitudes: [Double]) {
    let left = (transposingA ? a.transposed() : a)
    let right = (transposingB ? b.transposed() : b)
    let (m, k, n) = (left.shape[0], left.shape[1], right.shape[1])
    let (x, y) = (left.elements, right.elements)
    var values = [Double](repeating: 0, count: m * n)
    var magnitudes = values
    for row in 0..<m {
      for column in 0..<n {
        for inner in 0..<k {
          let product = Double(x[row * k + inner]) * Double(y[inner * n + column])
          values[row * n + column] += product
          magnitudes[row * n + column] += abs(product)
        }
      }
    }
    return (values, magnitudes)
  }

  /// The rounding error of a sum of k products is at most about k · 2⁻²⁴ · Σ |a·b|; in practice √k.
  private func expectProduct(
    _ found: Tensor<Float>,
    _ expected: (values: [Double], magnitudes: [Double]),
    inner: Int,
    _ comment: String
  ) {
    let unit = 0x1p-24 * Double(inner + 1)
    for (index, element) in found.elements.enumerated() {
      let error = abs(Double(element) - expected.values[index])
      #expect(error <= unit * expected.magnitudes[index], "\(comment) at \(index)")
    }
  }

  @Test(arguments: [1, 3, 17, 65], [1, 5, 16, 67])
  func agreesWithTheNaiveProduct(m: Int, n: Int) {
    var generator = Philox(seed: UInt64(m * 100 + n))
    for k in [1, 2, 15, 33, 129] {
      for (transposingA, transposingB) in [
        (false, false), (false, true), (true, false), (true, true),
      ] {
        let a = Tensor<Float>.normal(transposingA ? [k, m] : [m, k], using: &generator)
        let b = Tensor<Float>.normal(transposingB ? [n, k] : [k, n], using: &generator)
        let product = a.matmul(b, transposingSelf: transposingA, transposingOther: transposingB)
        #expect(product.shape == [m, n])
        let oracle = naive(a, b, transposingA, transposingB)
        expectProduct(product, oracle, inner: k, "\(a.shape) \(b.shape)")
      }
    }
  }

  @Test func multipliesByHand() {
    let a = Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
    let b = Tensor<Float>([1, 0, 2, 1, 0, 3], shape: [3, 2])
    // [1·1 + 2·2 + 3·0, 1·0 + 2·1 + 3·3; 4·1 + 5·2 + 6·0, 4·0 + 5·1 + 6·3]
    #expect(a.matmul(b).elements == [5, 11, 14, 23])
    #expect(a.matmul(a, transposingOther: true).elements == [14, 32, 32, 77])
  }

  @Test func emptyInnerExtentGivesZeros() {
    let product = Tensor<Float>.zeros([3, 0]).matmul(.zeros([0, 2]))
    #expect(product == .zeros([3, 2]))
    #expect(Tensor<Float>.zeros([0, 4]).matmul(.zeros([4, 2])).shape == [0, 2])
    #expect(Tensor<Float>.zeros([2, 4]).matmul(.zeros([4, 0])).shape == [2, 0])
  }

  @Test func nonNumbersReachOnlyTheirRow() {
    var a = Tensor<Float>.ones([5, 7])
    a.withUnsafeMutableElements { $0[2 * 7 + 3] = .nan }
    let product = a.matmul(.ones([7, 6]))
    for row in 0..<5 {
      #expect(product[row].elements.allSatisfy { row == 2 ? $0.isNaN : $0 == 7 })
    }
  }

  @Test func slicesMultiplyLikeCopies() {
    var generator = Philox(seed: 40)
    let whole = Tensor<Float>.normal([9, 13], using: &generator)
    let slice = whole[3..<8]
    let copy = Tensor(slice.elements, shape: slice.shape)
    #expect(
      slice.matmul(whole, transposingOther: true) == copy.matmul(whole, transposingOther: true)
    )
  }
}

@Suite struct WeightMatrixTests {
  private static func weights(_ storage: ElementType, _ dense: Tensor<Float>) -> WeightMatrix {
    switch storage {
    case .float16: .float16(Tensor(converting: dense))
    case .bfloat16: .bfloat16(Tensor(converting: dense))
    default: .float32(dense)
    }
  }

  @Test(arguments: [ElementType.float32, .float16, .bfloat16], [1, 2, 5, 33])
  func productsConvertWhileTheyRead(storage: ElementType, rows: Int) {
    var generator = Philox(seed: 50)
    for (outputs, inputs) in [(1, 1), (3, 17), (66, 129)] {
      let dense = Tensor<Float>.normal([outputs, inputs], using: &generator)
      let weights = Self.weights(storage, dense)
      let x = Tensor<Float>.normal([rows, inputs], using: &generator)
      let bias = Tensor<Float>.normal([outputs], using: &generator)
      #expect(weights.elementType == storage)
      let plain = x.matmul(weights.floats(), transposingOther: true)
      expectClose(weights.product(with: x), plain, relative: 1e-5, absolute: 1e-4)
      let biases = Tensor.concatenating(
        [Tensor](repeating: bias.reshaped(to: [1, outputs]), count: rows)
      )
      expectClose(
        weights.product(with: x, bias: bias),
        plain + biases,
        relative: 1e-5,
        absolute: 1e-4
      )
    }
  }

  @Test func productsKeepTheLeadingAxes() {
    let weights = WeightMatrix.float32(.ones([4, 3]))
    #expect(weights.product(with: .ones([3])) == Tensor(repeating: 3, shape: [4]))
    #expect(weights.product(with: .ones([2, 5, 3])) == Tensor(repeating: 3, shape: [2, 5, 4]))
    #expect(weights.product(with: .ones([0, 3])).shape == [0, 4])
  }

  @Test(arguments: [ElementType.float32, .float16, .bfloat16])
  func rowsAreExpanded(storage: ElementType) {
    var generator = Philox(seed: 51)
    let weights = Self.weights(storage, .normal([7, 19], using: &generator))
    let indices: [Int32] = [6, 0, 0, 3]
    #expect(weights.rows(indices) == weights.floats().rows(indices))
  }

  @Test func floatsAreNotCopied() {
    let dense = Tensor<Float>.ones([2, 2])
    let same = WeightMatrix.float32(dense).floats()
    let isShared = dense.withUnsafeElements { a in
      same.withUnsafeElements { $0.baseAddress == a.baseAddress }
    }
    #expect(isShared)
  }
}
