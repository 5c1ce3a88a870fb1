import CKernels
import Foundation
import Testing

@Suite struct VectorKernelTests {
  private typealias Binary = (
    Int, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>
  ) -> Void

  /// Runs a function of two vectors on every size, one element of guard behind the output.
  private func check(
    _ name: String,
    tolerance: Double = 2e-7,
    _ kernel: Binary,
    _ oracle: (Double, Double) -> Double
  ) {
    var samples = KernelSamples(seed: 10)
    for n in kernelSizes {
      let a = samples.floats(n, 4)
      let b = samples.floats(n, 4).map { abs($0) < 1e-3 ? 1 : $0 }
      var out = [Float](repeating: 9, count: n + 1)
      kernel(n, a, b, &out)
      let expected = zip(a, b).map { oracle(Double($0), Double($1)) } + [9]
      expectKernel(
        out,
        near: expected,
        scale: expected.map { abs($0) + 1e-6 },
        tolerance: tolerance,
        "\(name) of \(n)"
      )
    }
  }

  @Test func arithmetic() {
    check("add", tolerance: 1e-6, ck_add) { $0 + $1 }
    check(
      "scale and shift",
      tolerance: 1e-5,
      { n, x, _, out in ck_scale_shift(n, x, 1.5, 40, out) }
    ) { x, _ in 1.5 * x + 40 }
  }
}

@Suite struct ReductionKernelTests {
  @Test(arguments: kernelSizes + [4096, 4097, 50_001])
  func sumsAndProducts(n: Int) {
    var samples = KernelSamples(seed: 12)
    let a = samples.floats(n, 3)
    let b = samples.floats(n, 3)
    let pairs = zip(a, b).map { (Double($0), Double($1)) }
    func check(_ name: String, _ found: Double, _ terms: [Double]) {
      let magnitude = terms.reduce(0) { $0 + abs($1) }
      let error = abs(found - terms.reduce(0, +))
      #expect(error <= 1e-6 * magnitude, "\(name) of \(n)")
    }
    check("sum", Double(ck_sum(n, a)), pairs.map { $0.0 })
    check("dot", Double(ck_dot(n, a, b)), pairs.map { $0 * $1 })
  }

  @Test(arguments: kernelSizes)
  func extremes(n: Int) {
    var samples = KernelSamples(seed: 13)
    let x = samples.floats(n, 5)
    var (minimum, maximum): (Float, Float) = (9, 9)
    ck_min_max(n, x, &minimum, &maximum)
    #expect(minimum == x.min() ?? .infinity)
    #expect(maximum == x.max() ?? -.infinity)
  }

  @Test func extremesIgnoreNaN() {
    var x = [Float](repeating: .nan, count: 40)
    x[3] = 2
    x[39] = -1
    var (minimum, maximum): (Float, Float) = (9, 9)
    ck_min_max(40, x, &minimum, &maximum)
    #expect(minimum == -1)
    #expect(maximum == 2)
  }

  @Test(arguments: [1, 3, 17, 1000, 5001])
  func logSumExp(n: Int) {
    var samples = KernelSamples(seed: 14)
    for offset: Float in [0, 500, -500] {
      let x = samples.floats(n, 10).map { $0 + offset }
      let top = Double(x.max() ?? 0)
      let expected = top + log(x.reduce(0) { $0 + exp(Double($1) - top) })
      let error = abs(Double(ck_log_sum_exp(n, x)) - expected)
      #expect(error <= 2e-6 * (1 + abs(expected)))
    }
    #expect(ck_log_sum_exp(0, [1]) == -.infinity)
    #expect(ck_log_sum_exp(2, [.nan, -.infinity]).isNaN)
    #expect(ck_log_sum_exp(2, [.infinity, .nan]).isNaN)
  }
}
