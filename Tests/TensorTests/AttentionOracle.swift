import Foundation
import Tensor

/// Attention in double precision with the whole matrix of weights, and its gradients by the chain
/// rule through the explicit softmax.
struct AttentionOracle {
  /// [B × H × T × d] and [B × KV × S × d].
  var queries: [Double]
  var keys: [Double]
  var values: [Double]
  let batch, heads, keyHeads, queryCount, keyCount, width: Int
  let options: AttentionOptions

  init(_ q: Tensor<Float>, _ k: Tensor<Float>, _ v: Tensor<Float>, _ options: AttentionOptions) {
    (queries, keys, values) = (
      q.elements.map(Double.init), k.elements.map(Double.init), v.elements.map(Double.init)
    )
    (batch, heads, queryCount, width) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    (keyHeads, keyCount) = (k.shape[1], k.shape[2])
    self.options = options
  }

  private var scale: Double { options.scale.map(Double.init) ?? 1 / Double(width).squareRoot() }

  private func isVisible(_ b: Int, _ h: Int, _ t: Int, _ s: Int) -> Bool {
    let mask = options.mask
    let position = t + keyCount - queryCount
    if mask.isCausal && s > position { return false }
    if let window = mask.window, abs(position - s) >= window { return false }
    if let lengths = mask.keyLengths, s >= lengths[b] { return false }
    if case .allowed(let allowed) = mask.pairs { return element(allowed, b, h, t, s) }
    return true
  }

  /// The element of a mask with broadcast or missing leading axes.
  private func element<Element>(_ mask: Tensor<Element>, _ index: Int...) -> Element {
    var flat = 0
    for axis in 0..<mask.rank {
      let extent = mask.shape[axis]
      flat = flat * extent + (extent == 1 ? 0 : index[axis + 4 - mask.rank])
    }
    return mask.withUnsafeElements { $0[flat] }
  }

  /// Where row `row` of a head of an operand begins.
  private func at(_ b: Int, _ h: Int, _ row: Int, key: Bool) -> Int {
    let (heads, rows) = key ? (keyHeads, keyCount) : (self.heads, queryCount)
    let head = key ? h / (self.heads / keyHeads) : h
    return ((b * heads + head) * rows + row) * width
  }

  /// The weights of one query, the derivative of each score by the product before the cap, and the
  /// logarithm of the sum.
  private func weights(_ b: Int, _ h: Int, _ t: Int) -> ([Double], slopes: [Double], Double) {
    var slopes = [Double](repeating: 1, count: keyCount)
    var scores = [Double](repeating: -.infinity, count: keyCount)
    let q = at(b, h, t, key: false)
    for s in 0..<keyCount where isVisible(b, h, t, s) {
      let k = at(b, h, s, key: true)
      var score = scale * (0..<width).reduce(0) { $0 + queries[q + $1] * keys[k + $1] }
      if let cap = options.softCap.map(Double.init) {
        let bent = tanh(score / cap)
        slopes[s] = 1 - bent * bent
        score = cap * bent
      }
      if case .bias(let bias) = options.mask.pairs { score += Double(element(bias, b, h, t, s)) }
      scores[s] = score
    }
    let top = scores.reduce(-.infinity, max)
    guard top > -.infinity else { return (scores.map { _ in 0 }, slopes, -.infinity) }
    let terms = scores.map { exp($0 - top) }
    let sum = terms.reduce(0, +)
    return (terms.map { $0 / sum }, slopes, top + log(sum))
  }

  private func forEachQuery(_ body: (Int, Int, Int) -> Void) {
    for b in 0..<batch { for h in 0..<heads { for t in 0..<queryCount { body(b, h, t) } } }
  }

  func output() -> (value: [Double], logSumExp: [Double]) {
    var (value, logSumExp) = ([Double](repeating: 0, count: queries.count), [Double]())
    forEachQuery { b, h, t in
      let (weights, _, total) = weights(b, h, t)
      logSumExp.append(total)
      let out = at(b, h, t, key: false)
      for s in 0..<keyCount {
        let v = at(b, h, s, key: true)
        for i in 0..<width { value[out + i] += weights[s] * values[v + i] }
      }
    }
    return (value, logSumExp)
  }

  /// The gradients of queries, keys and values.
  func gradients(_ output: [Double]) -> [[Double]] {
    var dq = [Double](repeating: 0, count: queries.count)
    var dk = [Double](repeating: 0, count: keys.count)
    var dv = dk
    forEachQuery { b, h, t in
      let (weights, slopes, _) = weights(b, h, t)
      let q = at(b, h, t, key: false)
      let products = (0..<keyCount).map { s in
        let v = at(b, h, s, key: true)
        return (0..<width).reduce(0) { $0 + output[q + $1] * values[v + $1] }
      }
      let mean = zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 }
      for s in 0..<keyCount where weights[s] != 0 {
        let slope = weights[s] * (products[s] - mean) * slopes[s] * scale
        let k = at(b, h, s, key: true)
        for i in 0..<width {
          dq[q + i] += slope * keys[k + i]
          dk[k + i] += slope * queries[q + i]
          dv[k + i] += weights[s] * output[q + i]
        }
      }
    }
    return [dq, dk, dv]
  }
}
