import Tensor
import TestSupport
import Testing

/// The axes of attention's operands, and what does not depend on them.
@Suite(.serialized) struct AttentionLayoutTests {
  /// [B × T × H × d] of [B × H × T × d] and back.
  private func swapped(_ x: Tensor<Float>) -> Tensor<Float> {
    let (a, b, width) = (x.shape[1], x.shape[2], x.shape[3])
    return Tensor(uninitialized: [x.shape[0], b, a, width]) { target in
      let source = x.elements
      for (index, element) in source.enumerated() {
        let (i, rest) = (index % width, index / width)
        let (j, row, batch) = (rest % b, rest / b % a, rest / b / a)
        target[((batch * b + j) * a + row) * width + i] = element
      }
    }
  }

  private func results(
    _ input: AttentionInput,
    _ gradient: Tensor<Float>,
    _ options: AttentionOptions
  ) -> (value: Tensor<Float>, logSumExp: Tensor<Float>, gradients: [Tensor<Float>]) {
    let output = Tensor.attention(input, options)
    let gradients = Tensor.attentionGradients(gradient, input, output, options)
    return (output.value, output.logSumExp, gradients)
  }

  @Test func positionsFirstIsHeadsFirstTransposed() {
    var generator = Philox(seed: 21)
    let q = Tensor<Float>.normal([2, 6, 40, 24], using: &generator)
    let k = Tensor<Float>.normal([2, 3, 50, 24], using: &generator)
    let v = Tensor<Float>.normal([2, 3, 50, 24], using: &generator)
    let d = Tensor<Float>.normal(q.shape, using: &generator)
    let options = AttentionOptions(mask: .causal)
    let first = results(
      AttentionInput(queries: q, keys: k, values: v, layout: .headsFirst),
      d,
      options
    )
    let input = AttentionInput(
      queries: swapped(q),
      keys: swapped(k),
      values: swapped(v),
      layout: .positionsFirst
    )
    let second = results(input, swapped(d), options)
    #expect(swapped(second.value) == first.value)
    #expect(second.logSumExp == first.logSumExp)
    for (a, b) in zip(first.gradients, second.gradients) { #expect(swapped(b) == a) }
  }

  @Test(arguments: [(3, 3), (4, 2)])
  func fusedProjectionsAreSlices(heads: Int, keyHeads: Int) {
    var generator = Philox(seed: 22)
    let (rows, width, all) = (37, 20, heads + 2 * keyHeads)
    let fused = Tensor<Float>.normal([2, rows, all * width], using: &generator)
    let d = Tensor<Float>.normal([2, rows, heads * width], using: &generator)
    func slice(_ x: Tensor<Float>, _ range: Range<Int>) -> Tensor<Float> {
      Tensor(uninitialized: [2, rows, range.count, width]) { target in
        let step = range.count * width
        for (index, element) in x.elements.enumerated() {
          let (row, column) = (index / (all * width), index % (all * width))
          let place = column - range.lowerBound * width
          if range.contains(column / width) { target[row * step + place] = element }
        }
      }
    }
    let ranges = [0..<heads, heads..<heads + keyHeads, heads + keyHeads..<all]
    let options = AttentionOptions(mask: .slidingWindow(9))
    let input = AttentionInput(
      queries: slice(fused, ranges[0]),
      keys: slice(fused, ranges[1]),
      values: slice(fused, ranges[2]),
      layout: .positionsFirst
    )
    let separate = results(input, d.reshaped(to: [2, rows, heads, width]), options)
    let one = results(
      AttentionInput(fused: fused, headCount: heads, keyHeadCount: keyHeads),
      d,
      options
    )
    #expect(one.value.elements == separate.value.elements)
    #expect(one.gradients[0].shape == fused.shape)
    for (range, gradient) in zip(ranges, separate.gradients) {
      #expect(slice(one.gradients[0], range) == gradient)
    }
  }

  /// One head over many keys is cut into pieces, many heads are not; both in parts.
  @Test(arguments: [(1, 1, 90, 700), (3, 4, 150, 150), (1, 2, 1, 900), (1, 8, 64, 2100)])
  func threadsDoNotChangeTheResult(batch: Int, heads: Int, queries: Int, keys: Int) {
    var generator = Philox(seed: 23)
    let q = Tensor<Float>.normal([batch, heads, queries, 32], using: &generator)
    let k = Tensor<Float>.normal([batch, heads, keys, 32], using: &generator)
    let v = Tensor<Float>.normal([batch, heads, keys, 32], using: &generator)
    let d = Tensor<Float>.normal(q.shape, using: &generator)
    let input = AttentionInput(queries: q, keys: k, values: v, layout: .headsFirst)
    for mask in [AttentionMask.none, .causal] {
      let options = AttentionOptions(mask: mask)
      let several = results(input, d, options)
      // Inside a part of a job everything runs on one thread.
      nonisolated(unsafe) var alone = several
      WorkPool.forEach(parts: 2) { part in
        if part == 0 { alone = results(input, d, options) }
      }
      #expect(several.value == alone.value)
      #expect(several.logSumExp == alone.logSumExp)
      #expect(several.gradients == alone.gradients)
      let oracle = AttentionOracle(q, k, v, options)
      let expected = oracle.gradients(d.elements.map(Double.init))
      for (found, wanted) in zip(several.gradients, expected) {
        expectClose(found.elements.map(Double.init), wanted, absolute: 2e-5)
      }
    }
  }
}
