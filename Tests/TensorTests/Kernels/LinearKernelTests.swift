import CKernels
import Testing

@Suite struct LinearKernelTests {
  /// Y = X Wᵀ + bias against the oracle, rows of X and Y padded.
  private func check(
    _ sample: WeightRowSample,
    rows m: Int,
    hasBias: Bool,
    _ samples: inout KernelSamples
  ) {
    let (n, k) = (sample.rowCount, sample.columnCount)
    let x = samples.floats(m * (k + 1))
    let bias = samples.floats(n)
    var y = [Float](repeating: 9, count: m * (n + 1))
    sample.withRows { rows in
      withUnsafePointer(to: rows) {
        ck_linear($0, m, x, k + 1, hasBias ? bias : nil, &y, n + 1)
      }
    }
    var expected = [Double](repeating: 9, count: y.count)
    var scale = [Double](repeating: 0, count: y.count)
    for i in 0..<m {
      for j in 0..<n {
        var sum = hasBias ? Double(bias[j]) : 0
        var magnitude = abs(sum)
        for p in 0..<k {
          let term = Double(x[i * (k + 1) + p]) * sample.values[j * k + p]
          sum += term
          magnitude += abs(term)
        }
        // Codes are summed from the middle of their range, which costs digits where the zero
        // point is far from it.
        let spread = sample.hasZeros ? Double(k << sample.bits) : 0
        expected[i * (n + 1) + j] = sum
        scale[i * (n + 1) + j] = magnitude + spread
      }
    }
    expectKernel(y, near: expected, scale: scale, "linear \(m) rows, \(n)×\(k) \(sample.storage)")
  }

  @Test(arguments: [CK_FLOAT32.rawValue, CK_FLOAT16.rawValue, CK_BFLOAT16.rawValue])
  func agreesWithTheOracle(storage: UInt32) {
    var samples = KernelSamples(seed: 3)
    for (n, k) in [(1, 1), (3, 17), (5, 64), (17, 3), (65, 63), (130, 257)] {
      var sample = WeightRowSample(ck_storage(storage), n, k)
      sample.fill(&samples)
      for m in [1, 2, 3, 4, 5, 8, 9, 17, 65] {
        check(sample, rows: m, hasBias: m % 2 == 1, &samples)
      }
    }
  }

  @Test(arguments: 1...8, [5, 8, 24, 32, 64, 128])
  func packedRowsAgreeWithTheOracle(bits: Int, groupSize: Int) {
    var samples = KernelSamples(seed: 4)
    for (n, k) in [(1, 1), (3, 17), (9, 200), (5, 333)] {
      for (hasZeros, hasOneScale) in [(false, false), (true, false), (true, true)] {
        var sample = WeightRowSample(CK_PACKED, n, k)
        sample.bits = bits
        sample.groupSize = groupSize
        sample.hasZeros = hasZeros
        sample.hasOneScale = hasOneScale
        sample.fill(&samples)
        for m in [1, 2, 9] { check(sample, rows: m, hasBias: m == 1, &samples) }
      }
    }
  }

  @Test(arguments: 1...8)
  func expandsAnyColumnsOfARow(bits: Int) {
    var samples = KernelSamples(seed: 5)
    for groupSize in [5, 16, 48] {
      var sample = WeightRowSample(CK_PACKED, 3, 101)
      sample.bits = bits
      sample.groupSize = groupSize
      sample.hasZeros = true
      sample.fill(&samples)
      for (column, count) in [(0, 101), (7, 50), (1, 1), (100, 1), (33, 68), (40, 0)] {
        var out = [Float](repeating: 9, count: count + 1)
        sample.withRows { rows in
          withUnsafePointer(to: rows) { ck_expand_row($0, 2, column, count, &out) }
        }
        let expected = sample.values[2 * 101 + column..<2 * 101 + column + count] + [9]
        expectKernel(
          out,
          near: Array(expected),
          scale: expected.map(abs),
          tolerance: 1e-6,
          "\(bits) bits, columns \(column) + \(count)"
        )
      }
    }
  }

  @Test func halfPrecisionRowsExpandExactly() {
    var samples = KernelSamples(seed: 6)
    for storage in [CK_FLOAT16, CK_BFLOAT16, CK_FLOAT32] {
      var sample = WeightRowSample(storage, 2, 35)
      sample.fill(&samples)
      var out = [Float](repeating: 0, count: 30)
      sample.withRows { rows in
        withUnsafePointer(to: rows) { ck_expand_row($0, 1, 5, 30, &out) }
      }
      #expect(out.map(Double.init) == Array(sample.values[35 + 5..<70]))
    }
  }

  @Test func nothingToSumLeavesTheBias() {
    var sample = WeightRowSample(CK_FLOAT32, 2, 0)
    var samples = KernelSamples(seed: 7)
    sample.fill(&samples)
    for m in [1, 3, 20] { check(sample, rows: m, hasBias: true, &samples) }
  }
}
