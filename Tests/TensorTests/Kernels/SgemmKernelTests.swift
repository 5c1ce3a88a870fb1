import CKernels
import Testing

/// A product with padded rows, and its oracle in Double.
private struct Product {
  var transposeA = false
  var transposeB = false
  var m, n, k: Int
  var beta: Float = 0
  var padding = 3

  func check(_ samples: inout KernelSamples) {
    let strideA = (transposeA ? m : k) + padding
    let strideB = (transposeB ? k : n) + padding
    let strideC = n + padding
    let a = samples.floats((transposeA ? k : m) * strideA)
    let b = samples.floats((transposeB ? n : k) * strideB)
    let before = samples.floats(m * strideC)
    var c = before
    ck_sgemm(
      transposeA,
      transposeB,
      m,
      n,
      k,
      a,
      strideA,
      b,
      strideB,
      beta,
      &c,
      strideC
    )
    var expected = before.map(Double.init)
    var scale = expected.map(abs)
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        var magnitude = 0.0
        for p in 0..<k {
          let left = Double(transposeA ? a[p * strideA + i] : a[i * strideA + p])
          let right = Double(transposeB ? b[j * strideB + p] : b[p * strideB + j])
          sum += left * right
          magnitude += abs(left * right)
        }
        let at = i * strideC + j
        expected[at] = sum + Double(beta) * expected[at]
        scale[at] = magnitude + Double(beta) * scale[at]
      }
    }
    expectKernel(c, near: expected, scale: scale, "sgemm \(self)")
  }
}

@Suite struct SgemmKernelTests {
  @Test(arguments: [false, true], [false, true])
  func agreesWithTheOracleOnOddSizes(transposeA: Bool, transposeB: Bool) {
    var samples = KernelSamples(seed: 1)
    for m in [1, 2, 3, 13, 14, 15, 17, 63, 65] {
      for n in [1, 3, 16, 17, 31, 33, 65] {
        for k in [1, 3, 16, 17, 65] {
          for beta: Float in [0, 1] {
            var product = Product(m: m, n: n, k: k)
            product.transposeA = transposeA
            product.transposeB = transposeB
            product.beta = beta
            product.check(&samples)
          }
        }
      }
    }
  }

  @Test(arguments: [false, true], [false, true])
  func agreesWithTheOracleAcrossBlocks(transposeA: Bool, transposeB: Bool) {
    var samples = KernelSamples(seed: 2)
    // More than one block of k, of rows of a part, and of columns.
    for (m, n, k) in [
      (5, 70, 1500), (300, 40, 700), (20, 2100, 33), (2100, 20, 9), (910, 37, 700), (3000, 5, 33),
      (1, 700, 300), (700, 1, 300), (1, 1, 2000),
    ] {
      for beta: Float in [0, 1] {
        var product = Product(m: m, n: n, k: k)
        product.transposeA = transposeA
        product.transposeB = transposeB
        product.beta = beta
        product.padding = 0
        product.check(&samples)
      }
    }
  }

  @Test func betaZeroDoesNotReadC() {
    let ones = [Float](repeating: 1, count: 16)
    var c = [Float](repeating: .nan, count: 16)
    ck_sgemm(false, false, 4, 4, 4, ones, 4, ones, 4, 0, &c, 4)
    #expect(c == [Float](repeating: 4, count: 16))
  }

  @Test func emptyProductsTouchOnlyWhatTheyMust() {
    let none: [Float] = [1]
    var c: [Float] = [5, 6, 7, 8]
    ck_sgemm(false, false, 0, 2, 2, none, 2, none, 2, 0, &c, 2)
    ck_sgemm(false, false, 2, 0, 2, none, 2, none, 2, 0, &c, 2)
    ck_sgemm(false, false, 2, 2, 0, none, 1, none, 2, 1, &c, 2)
    #expect(c == [5, 6, 7, 8])
    ck_sgemm(false, false, 1, 2, 0, none, 1, none, 2, 0, &c, 2)
    #expect(c == [0, 0, 7, 8])
  }

  @Test func infinitiesAndNaNsArrive() {
    var a = [Float](repeating: 0, count: 20 * 20)
    let b = [Float](repeating: 1, count: 20 * 20)
    a[3 * 20 + 7] = .infinity
    a[5 * 20 + 1] = .nan
    var c = [Float](repeating: 0, count: 20 * 20)
    ck_sgemm(false, false, 20, 20, 20, a, 20, b, 20, 0, &c, 20)
    #expect(c[3 * 20..<4 * 20].allSatisfy { $0 == .infinity })
    #expect(c[5 * 20..<6 * 20].allSatisfy { $0.isNaN })
    #expect(c[0..<3 * 20].allSatisfy { $0 == 0 })
  }
}
