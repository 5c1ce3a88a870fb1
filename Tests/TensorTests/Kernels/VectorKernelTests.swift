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
    check("subtract", tolerance: 1e-6, ck_subtract) { $0 - $1 }
    check("multiply", ck_multiply) { $0 * $1 }
    check("divide", ck_divide) { $0 / $1 }
    check(
      "scale and shift",
      tolerance: 1e-5,
      { n, x, _, out in ck_scale_shift(n, x, 1.5, 40, out) }
    ) { x, _ in 1.5 * x + 40 }
  }

  @Test func activations() {
    check("exp", { n, x, _, out in ck_exp(n, x, out) }) { x, _ in exp(x) }
    check("silu", tolerance: 1e-6, { n, x, _, out in ck_silu(n, x, out) }) { x, _ in
      x / (1 + exp(-x))
    }
    check("gelu", tolerance: 2e-6, { n, x, _, out in ck_gelu_tanh(n, x, out) }) { x, _ in
      let inner = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
      // 1 + tanh(u) without its cancellation for negative u.
      return x / (1 + exp(-2 * inner))
    }
    check("silu multiply", tolerance: 1e-6, ck_silu_multiply) { $0 / (1 + exp(-$0)) * $1 }
  }

  @Test func siluMultiplyWorksInPlace() {
    var samples = KernelSamples(seed: 11)
    let gate = samples.floats(37, 3)
    let up = samples.floats(37, 3)
    var expected = [Float](repeating: 0, count: 37)
    ck_silu_multiply(37, gate, up, &expected)
    var first = gate
    first.withUnsafeMutableBufferPointer {
      ck_silu_multiply(37, $0.baseAddress, up, $0.baseAddress)
    }
    var second = up
    second.withUnsafeMutableBufferPointer {
      ck_silu_multiply(37, gate, $0.baseAddress, $0.baseAddress)
    }
    #expect(first == expected)
    #expect(second == expected)
  }

  @Test func expIsAccurateOverItsWholeRange() {
    let x = (0..<400_000).map { -87 + Float($0) * (175.5 / 400_000) }
    var out = [Float](repeating: 0, count: x.count)
    ck_exp(x.count, x, &out)
    let expected = x.map { exp(Double($0)) }
    expectKernel(out, near: expected, scale: expected, tolerance: 1.2e-7, "exp")
  }

  @Test func expBeyondItsRange() {
    let x: [Float] = [0, -.infinity, .infinity, .nan, 89, -104, -90, 1000, -1000]
    var out = [Float](repeating: 9, count: x.count)
    ck_exp(x.count, x, &out)
    #expect(out[0] == 1)
    #expect(out[1] == 0)
    #expect(out[2] == .infinity)
    #expect(out[3].isNaN)
    #expect(out[4] == .infinity)
    #expect(out[5] == 0)
    #expect(abs(Double(out[6]) - exp(-90)) < 2e-45)
    #expect(out[7] == .infinity)
    #expect(out[8] == 0)
  }
}

@Suite struct ReductionKernelTests {
  @Test(arguments: kernelSizes + [4096, 4097, 50_001])
  func sumsAndDistances(n: Int) {
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
    check("distance", ck_squared_distance(n, a, b), pairs.map { ($0 - $1) * ($0 - $1) })
  }

  @Test(arguments: kernelSizes)
  func extremes(n: Int) {
    var samples = KernelSamples(seed: 13)
    let x = samples.floats(n, 5)
    var (minimum, maximum): (Float, Float) = (9, 9)
    ck_min_max(n, x, &minimum, &maximum)
    #expect(minimum == x.min() ?? .infinity)
    #expect(maximum == x.max() ?? -.infinity)
    #expect(ck_argmax(n, x) == x.firstIndex(of: maximum) ?? -1)
  }

  @Test func argmaxTakesTheFirstOfEquals() {
    for n in [2, 17, 64, 65] {
      var x = [Float](repeating: -1, count: n)
      x[n - 1] = 3
      #expect(ck_argmax(n, x) == n - 1)
      x[n / 2] = 3
      #expect(ck_argmax(n, x) == n / 2)
    }
  }

  @Test func extremesIgnoreNaN() {
    var x = [Float](repeating: .nan, count: 40)
    x[3] = 2
    x[39] = -1
    var (minimum, maximum): (Float, Float) = (9, 9)
    ck_min_max(40, x, &minimum, &maximum)
    #expect(minimum == -1)
    #expect(maximum == 2)
    #expect(ck_argmax(40, x) == 3)
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
  }
}
