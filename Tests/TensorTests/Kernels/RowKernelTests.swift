import CKernels
import Foundation
import Testing

@Suite struct RowKernelTests {
  private let sizes = [1, 3, 16, 17, 63, 65, 576]

  /// Applies a row function to three rows and compares each with the oracle of one row.
  private func check(
    _ name: String,
    _ n: Int,
    limit: Float = 3,
    _ kernel: (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void,
    _ oracle: ([Double]) -> [Double]
  ) {
    var samples = KernelSamples(seed: 15)
    let x = samples.floats(3 * n, limit)
    var out = [Float](repeating: 9, count: 3 * n + 1)
    kernel(3, x, &out)
    var expected: [Double] = []
    for row in 0..<3 { expected += oracle(x[row * n..<(row + 1) * n].map(Double.init)) }
    expected.append(9)
    let scale = expected.map { abs($0) + 1e-2 }
    expectKernel(out, near: expected, scale: scale, "\(name) of \(n)")
  }

  @Test func softmax() {
    for n in sizes + [5000] {
      check("softmax", n, limit: 20, { ck_softmax_rows(false, $0, n, $1, 1, $2) }) { row in
        let top = row.reduce(-Double.infinity, max)
        let terms = row.map { exp($0 - top) }
        let sum = terms.reduce(0, +)
        return terms.map { $0 / sum }
      }
    }
  }

  @Test func softmaxGivesMaskedElementsNoWeight() {
    var out = [Float](repeating: 9, count: 3)
    ck_softmax_rows(false, 1, 3, [1, -.infinity, 1], 1, &out)
    #expect(out == [0.5, 0, 0.5])
  }

  @Test(arguments: [2, 6, 16, 34, 64, 128])
  func rotatesHalves(width: Int) {
    var samples = KernelSamples(seed: 19)
    let half = width / 2
    let angles = samples.floats(half, 3)
    let before = samples.floats(3 * width)
    var x = before
    ck_rotate_half(3, width, angles.map { cos($0) }, angles.map { sin($0) }, &x)
    var expected = before.map(Double.init)
    for head in 0..<3 {
      for i in 0..<half {
        let (low, high) = (
          Double(before[head * width + i]), Double(before[head * width + i + half])
        )
        let (cosine, sine) = (cos(Double(angles[i])), sin(Double(angles[i])))
        expected[head * width + i] = low * cosine - high * sine
        expected[head * width + i + half] = high * cosine + low * sine
      }
    }
    let scale = [Double](repeating: 1, count: x.count)
    expectKernel(x, near: expected, scale: scale, tolerance: 1e-6, "rotation of \(width)")
  }
}
