import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct AttentionTests {
  /// softmax(q kᵀ / √d) v of one head each, [B × H × T × d] and [B × KV × S × d], by its definition.
  private static func oracle(_ inputs: [Tensor<Double>], isCausal: Bool) -> Tensor<Double> {
    let (q, k, v) = (inputs[0], inputs[1], inputs[2])
    let (heads, rows, width) = (q.shape[1], q.shape[2], q.shape[3])
    let (keyHeads, keys) = (k.shape[1], k.shape[2])
    let (a, b, c) = (q.elements, k.elements, v.elements)
    var out = [Double](repeating: 0, count: a.count)
    for batch in 0..<q.shape[0] {
      for head in 0..<heads {
        let keyHead = batch * keyHeads + head / (heads / keyHeads)
        for row in 0..<rows {
          let place = ((batch * heads + head) * rows + row) * width
          let seen = isCausal ? row + keys - rows + 1 : keys
          let weights = (0..<seen).map { key -> Double in
            let other = (keyHead * keys + key) * width
            return exp(
              (0..<width).reduce(0) { $0 + a[place + $1] * b[other + $1] } / sqrt(Double(width))
            )
          }
          let total = weights.reduce(0, +)
          for key in 0..<seen {
            let other = (keyHead * keys + key) * width
            for i in 0..<width { out[place + i] += weights[key] / total * c[other + i] }
          }
        }
      }
    }
    return Tensor(out, shape: q.shape)
  }

  @Test(arguments: [false, true])
  func attentionWithGroupedHeads(isCausal: Bool) {
    let options = AttentionOptions(mask: AttentionMask(isCausal: isCausal))
    let cases: [(Shape, Shape)] = [
      ([1, 1, 1, 1], [1, 1, 1, 1]), ([2, 4, 5, 3], [2, 2, 5, 3]), ([1, 2, 3, 4], [1, 1, 7, 4]),
    ]
    for (queries, keys) in cases {
      GradientCheck()("attention \(queries) · \(keys)", [queries, keys, keys]) {
        attention(queries: $0[0], keys: $0[1], values: $0[2], options: options)
      } oracle: {
        Self.oracle($0, isCausal: isCausal)
      }
    }
  }

  @Test func fusedAndSeparateProjectionsAgree() {
    var generator = Philox(seed: 3)
    let fused = Tensor<Float>.uniform([2, 5, 4 * 3], from: -1, to: 1, using: &generator)
    let x = Variable(following: fused)
    let result = attention(fused: x, headCount: 2, keyHeadCount: 1)
    result.backward(from: .ones(result.shape))

    // The same heads cut out of each row [2·3 queries, 3 keys, 3 values].
    func cut(_ columns: Range<Int>) -> Tensor<Float> {
      let rows = stride(from: 0, to: fused.count, by: 12).flatMap { row in
        columns.map { fused.elements[row + $0] }
      }
      return Tensor(rows, shape: [2, 5, columns.count / 3, 3])
    }
    let parts = [0..<6, 6..<9, 9..<12].map { Variable(following: cut($0)) }
    let separate = attention(
      queries: parts[0],
      keys: parts[1],
      values: parts[2],
      layout: .positionsFirst
    )
    separate.backward(from: .ones(separate.shape))
    expectClose(result.value.elements, separate.value.elements, absolute: 1e-6)
    let gradient = x.gradient?.elements ?? []
    for (columns, part) in zip([0..<6, 6..<9, 9..<12], parts) {
      let found = stride(from: 0, to: fused.count, by: 12).flatMap { row in
        columns.map { gradient[row + $0] }
      }
      expectClose(found, part.gradient?.elements ?? [], absolute: 1e-6)
    }
  }

  @Test func rotaryEmbeddings() {
    let angles: [Double] = [0, 0, 0.5, 0.1, 1, 0.2]  // [T = 3 × r/2 = 2]
    let cosines = Tensor(angles.map { Float(cos($0)) }, shape: [3, 2])
    let sines = Tensor(angles.map { Float(sin($0)) }, shape: [3, 2])
    GradientCheck()("rotate", [[1, 3, 2, 4]]) {
      $0[0].rotated(
        cosines: cosines,
        sines: sines,
        options: RotaryOptions(pairing: .halves, layout: .positionsFirst)
      )
    } oracle: { inputs in
      let x = inputs[0].elements
      let turned = x.indices.map { index -> Double in
        let (position, i) = (index / 8, index % 4)
        let angle = angles[position * 2 + i % 2]
        return i < 2
          ? x[index] * cos(angle) - x[index + 2] * sin(angle)
          : x[index] * cos(angle) + x[index - 2] * sin(angle)
      }
      return Tensor(turned, shape: inputs[0].shape)
    }
  }
}
