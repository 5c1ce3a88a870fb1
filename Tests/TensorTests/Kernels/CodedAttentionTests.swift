import Tensor
import TestSupport
import Testing

/// A query's, or a few queries', attention to rows of 8-bit codes and to the numbers they stand for.
struct CodedAttentionSample {
  var queries = 1
  var position = 0
  var heads = 6
  var keyHeads = 2
  var width = 64
  var window: Int?
  var softCap: Float?
  /// Changes the grid of one row of keys and of values, in the middle of those that are seen.
  var keyGrid: (step: Float, zero: Float)?
  var valueGrid: (step: Float, zero: Float)?

  private var count: Int { position + queries }
  private var capacity: Int { count + 3 }

  func run(seed: UInt64) -> (found: Tensor<Float>, expected: Tensor<Float>) {
    var samples = KernelSamples(seed: seed)
    let q = Tensor(samples.floats(queries * heads * width), shape: [queries, heads * width])
    let keys = rows(&samples, keyGrid)
    let values = rows(&samples, valueGrid)
    return (attention(q, keys.codes, values.codes), attention(q, keys.floats, values.floats))
  }

  private func attention(
    _ q: Tensor<Float>,
    _ keys: StoredRows,
    _ values: StoredRows
  ) -> Tensor<Float> {
    q.attending(
      to: keys,
      values,
      firstPosition: position,
      scale: 0.25,
      window: window,
      softCap: softCap
    )
  }

  /// Codes with a grid for each row, x = s · (code − z), and x.
  private func rows(
    _ samples: inout KernelSamples,
    _ special: (step: Float, zero: Float)?
  ) -> (codes: StoredRows, floats: StoredRows) {
    let codes = samples.codes(keyHeads * capacity * width, bits: 8)
    var grids: [Float] = []
    for row in 0..<keyHeads * capacity {
      // What lies behind the last key must not be used.
      let isSeen = row % capacity < count
      grids.append(isSeen ? 0.006 + samples.float(0.004) : .nan)
      grids.append(Float(samples.codes(1, bits: 8)[0]))
    }
    if let special { (grids[count / 2 * 2], grids[count / 2 * 2 + 1]) = special }
    let floats = codes.indices.map { index in
      grids[index / width * 2] * (Float(codes[index]) - grids[index / width * 2 + 1])
    }
    let shape: Shape = [keyHeads, capacity, width]
    return (
      .codes(Tensor(codes, shape: shape), grids: Tensor(grids, shape: [keyHeads, capacity, 2])),
      .floats(Tensor(floats, shape: shape))
    )
  }
}

@Suite struct CodedAttentionTests {
  private func check(_ sample: CodedAttentionSample, seed: UInt64 = 21) {
    let (found, expected) = sample.run(seed: seed)
    expectClose(found, expected, relative: 1e-5, absolute: 2e-5, "\(sample)")
  }

  @Test(arguments: [8, 20, 24, 64, 65, 80, 96, 128, 256])
  func codesOfAnyWidthAreTheirNumbers(width: Int) {
    for position in [0, 3, 126, 127, 128, 700] {
      check(CodedAttentionSample(position: position, width: width))
    }
    check(CodedAttentionSample(queries: 2, position: 130, width: width))
    // Many rows read the numbers, a tile at a time.
    let (found, expected) = CodedAttentionSample(queries: 40, position: 150, width: width).run(
      seed: 22
    )
    #expect(found == expected)
  }

  @Test(arguments: 1...9) func groupsOfAnySizeShareCodes(group: Int) {
    for keyHeads in [1, 3] {
      check(CodedAttentionSample(position: 300, heads: group * keyHeads, keyHeads: keyHeads))
    }
  }

  @Test(arguments: [1, 7, 128, 1000]) func windowsOfCodes(window: Int) {
    check(CodedAttentionSample(position: 600, window: window))
    check(CodedAttentionSample(queries: 30, position: 300, window: window))
  }

  @Test func softCapsOfCodes() {
    check(CodedAttentionSample(position: 300, softCap: 3))
    check(CodedAttentionSample(position: 300, window: 50, softCap: 3))
  }

  @Test(arguments: [Float.nan, .infinity, 1e37, 1e16, 0])
  func extremeGridsAreTheirNumbers(step: Float) {
    for zero in [Float(0), 77, .nan] {
      for position in [0, 300] {
        var sample = CodedAttentionSample(position: position, keyGrid: (step, zero))
        expectSame(sample)
        sample.keyGrid = nil
        sample.valueGrid = (step, zero)
        expectSame(sample)
      }
    }
  }

  /// The same numbers, and none where there is none.
  private func expectSame(_ sample: CodedAttentionSample) {
    let (found, expected) = sample.run(seed: 23)
    for (a, b) in zip(found.elements, expected.elements) {
      let isSame = a.isNaN ? b.isNaN : a == b || abs(a - b) <= 2e-5 * max(1, abs(b))
      #expect(isSame, "\(a), expected \(b): \(sample)")
    }
  }
}
