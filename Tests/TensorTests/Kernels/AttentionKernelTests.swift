import CKernels
import Foundation
import Testing

/// One call of the attention kernel, and its oracle in Double.
struct AttentionSample {
  var queries = 1
  var position = 0
  var heads = 2
  var keyHeads = 2
  var width = 16
  var window = 0
  var softCap: Float = 0

  private var keys: Int { position + queries }
  private var capacity: Int { keys + 3 }
  private var strideQ: Int { heads * width + 3 }

  /// Output of the kernel, [queries × (heads · width + 1)], and of the oracle.
  func run(seed: UInt64) -> (found: [Float], expected: [Double]) {
    var samples = KernelSamples(seed: seed)
    let q = samples.floats(queries * strideQ, 2)
    var k = samples.floats(keyHeads * capacity * width, 2)
    var v = samples.floats(keyHeads * capacity * width)
    // What lies behind the last key must not be used.
    for head in 0..<keyHeads {
      for i in (head * capacity + keys) * width..<(head + 1) * capacity * width {
        k[i] = .nan
        v[i] = .nan
      }
    }
    return (kernel(q, k, v), oracle(q, k, v))
  }

  private func kernel(_ q: [Float], _ k: [Float], _ v: [Float]) -> [Float] {
    var out = [Float](repeating: 9, count: queries * (heads * width + 1))
    q.withUnsafeBufferPointer { q in
      k.withUnsafeBufferPointer { k in
        v.withUnsafeBufferPointer { v in
          out.withUnsafeMutableBufferPointer { out in
            var arguments = ck_attention_arguments()
            arguments.query_count = queries
            arguments.first_position = position
            arguments.head_count = heads
            arguments.key_head_count = keyHeads
            arguments.head_width = width
            arguments.window = window
            arguments.scale = 0.5
            arguments.soft_cap = softCap
            arguments.q = q.baseAddress
            arguments.stride_q = strideQ
            arguments.k = k.baseAddress
            arguments.v = v.baseAddress
            arguments.stride_key_head = capacity * width
            arguments.out = out.baseAddress
            arguments.stride_out = heads * width + 1
            ck_attention(&arguments)
          }
        }
      }
    }
    return out
  }

  private func oracle(_ q: [Float], _ k: [Float], _ v: [Float]) -> [Double] {
    var out = [Double](repeating: 9, count: queries * (heads * width + 1))
    for query in 0..<queries {
      let last = position + query
      let first = window > 0 ? max(0, last - window + 1) : 0
      for head in 0..<heads {
        let base = head / (heads / keyHeads) * capacity * width
        let scores = (first...last).map { key in
          var dot = 0.0
          for i in 0..<width {
            dot += Double(q[query * strideQ + head * width + i]) * Double(k[base + key * width + i])
          }
          let score = 0.5 * dot
          return softCap > 0 ? Double(softCap) * tanh(score / Double(softCap)) : score
        }
        let top = scores.reduce(-Double.infinity, max)
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        for i in 0..<width {
          var value = 0.0
          for (index, weight) in weights.enumerated() {
            value += weight * Double(v[base + (first + index) * width + i])
          }
          out[query * (heads * width + 1) + head * width + i] = value / sum
        }
      }
    }
    return out
  }
}

@Suite struct AttentionKernelTests {
  private func check(_ sample: AttentionSample, seed: UInt64 = 8) {
    let (found, expected) = sample.run(seed: seed)
    let scale = [Double](repeating: 1, count: expected.count)
    expectKernel(found, near: expected, scale: scale, tolerance: 3e-5, "\(sample)")
  }

  @Test(arguments: [8, 16, 24, 64, 65, 128, 256])
  func anyHeadWidth(width: Int) {
    for queries in [1, 3, 40] {
      for position in [0, 5, 150] {
        check(AttentionSample(queries: queries, position: position, width: width))
      }
    }
  }

  @Test(arguments: [(1, 1), (4, 4), (4, 2), (9, 3), (6, 1)])
  func groupedHeads(heads: Int, keyHeads: Int) {
    for (queries, position) in [(1, 0), (1, 700), (2, 300), (70, 0), (130, 17)] {
      check(
        AttentionSample(queries: queries, position: position, heads: heads, keyHeads: keyHeads)
      )
    }
  }

  @Test(arguments: [1, 7, 128, 1000])
  func windows(window: Int) {
    for (queries, position) in [(1, 0), (1, 600), (90, 0), (90, 300)] {
      check(AttentionSample(queries: queries, position: position, window: window))
    }
  }

  @Test func softCaps() {
    check(AttentionSample(queries: 20, position: 300, softCap: 3))
    check(AttentionSample(queries: 1, position: 30, window: 5, softCap: 50))
  }

  @Test func noQueriesWriteNothing() {
    #expect(AttentionSample(queries: 0, position: 4).run(seed: 9).found.isEmpty)
  }

  @Test func maskedScoresGiveZeros() {
    // Keys of minus infinity times positive queries: no key has weight.
    let q = [Float](repeating: 1, count: 8)
    let k = [Float](repeating: -.infinity, count: 8 * 4)
    let v = [Float](repeating: 1, count: 8 * 4)
    var out = [Float](repeating: 9, count: 8)
    q.withUnsafeBufferPointer { q in
      k.withUnsafeBufferPointer { k in
        v.withUnsafeBufferPointer { v in
          out.withUnsafeMutableBufferPointer { out in
            var arguments = ck_attention_arguments()
            arguments.query_count = 1
            arguments.first_position = 3
            arguments.head_count = 1
            arguments.key_head_count = 1
            arguments.head_width = 8
            arguments.scale = 1
            arguments.q = q.baseAddress
            arguments.stride_q = 8
            arguments.k = k.baseAddress
            arguments.v = v.baseAddress
            arguments.stride_key_head = 32
            arguments.out = out.baseAddress
            arguments.stride_out = 8
            ck_attention(&arguments)
          }
        }
      }
    }
    #expect(out == [Float](repeating: 0, count: 8))
  }
}
