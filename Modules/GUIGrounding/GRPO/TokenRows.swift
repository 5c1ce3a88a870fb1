import Foundation
import Tensor

/// Rows of logits under softmax: the log-probabilities of the sampled tokens, the entropies, and the
/// gradient by the logits, which takes the place of the probabilities.
///
///     ℓ = z_a − log Σ exp z        H = log Σ exp z − Σ π z        dL/dz_v = s · (1[v = a] − π_v)
///
/// The exponentials are computed once. Rows whose token does not count are skipped.
///
/// - Shapes: logits z [B × T × V]; ℓ and H [B · T].
/// - Complexity: O(B · T · V), rows on several threads.
struct TokenRows {
  /// ℓ, 0 where the mask is.
  let logProbabilities: [Double]
  /// H in nats, 0 where the mask is.
  let entropies: [Double]
  private var probabilities: Tensor<Float>
  private let tokens: Tensor<Int32>
  private let mask: Tensor<Bool>

  init(logits: Tensor<Float>, tokens: Tensor<Int32>, mask: Tensor<Bool>) {
    let width = logits.shape[-1]
    let probabilities = logits.softmax()  // [B, T, V]
    var (values, entropies) = ([Double](), [Double]())
    let results = Tensor<Double>(uninitialized: [2, tokens.count]) { results in
      logits.withUnsafeElements { z in
        probabilities.withUnsafeElements { p in
          Self.forEachRow(tokens, mask, width) { row, token in
            guard let token, let z = z.baseAddress, let p = p.baseAddress else {
              results[row] = 0
              results[tokens.count + row] = 0
              return
            }
            let sums = RowSums(p: p + row * width, z: z + row * width, count: width)
            results[row] = Double(z[row * width + token]) - sums.logSum
            results[tokens.count + row] = sums.logSum - sums.mean
          }
        }
      }
    }
    results.withUnsafeElements { results in
      values = Array(results[..<tokens.count])
      entropies = Array(results[tokens.count...])
    }
    (logProbabilities, self.entropies) = (values, entropies)
    (self.probabilities, self.tokens, self.mask) = (probabilities, tokens, mask)
  }

  /// The gradient by the logits from the slopes s [B · T] by ℓ; the probabilities are gone then.
  mutating func takeGradient(slopes: [Double]) -> Tensor<Float> {
    let width = probabilities.shape[-1]
    // Held by nobody else, so that it is written in place.
    var gradient = probabilities
    probabilities = .zeros([0])
    gradient.withUnsafeMutableElements { elements in
      guard let start = elements.baseAddress else { return }
      Self.forEachRow(tokens, mask, width) { row, token in
        let at = start + row * width
        let slope = token == nil ? 0 : Float(slopes[row])
        if slope == 0 {
          at.update(repeating: 0, count: width)
          return
        }
        for index in 0..<width { at[index] *= -slope }
        if let token { at[token] += slope }
      }
    }
    return gradient
  }

  /// Calls `body` with every row and its token, nil where it does not count.
  private static func forEachRow(
    _ tokens: Tensor<Int32>,
    _ mask: Tensor<Bool>,
    _ width: Int,
    _ body: (_ row: Int, _ token: Int?) -> Void
  ) {
    tokens.withUnsafeElements { tokens in
      mask.withUnsafeElements { mask in
        let grain = max(1, (1 << 15) / max(width, 1))
        WorkPool.forEachRange(count: tokens.count, grain: grain) { rows in
          for row in rows { body(row, mask[row] ? Int(tokens[row]) : nil) }
        }
      }
    }
  }
}

/// log Σ exp z and Σ π z of one row, from z and π = softmax(z).
private struct RowSums {
  let logSum: Double
  let mean: Double

  init(p: UnsafePointer<Float>, z: UnsafePointer<Float>, count: Int) {
    var product = SIMD8<Float>.zero
    var (largestP, largestZ) = (SIMD8<Float>.zero, SIMD8<Float>(repeating: -.infinity))
    let whole = count & ~7
    for index in stride(from: 0, to: whole, by: 8) {
      let a = UnsafeRawPointer(p + index).loadUnaligned(as: SIMD8<Float>.self)
      let b = UnsafeRawPointer(z + index).loadUnaligned(as: SIMD8<Float>.self)
      // A forbidden token has z = −∞ and no share in the mean.
      product += a * b.replacing(with: 0, where: a .== 0)
      largestP = pointwiseMax(largestP, a)
      largestZ = pointwiseMax(largestZ, b)
    }
    var (mean, maxP, maxZ) = (product.sum(), largestP.max(), largestZ.max())
    for index in whole..<count {
      if p[index] > 0 { mean += p[index] * z[index] }
      maxP = max(maxP, p[index])
      maxZ = max(maxZ, z[index])
    }
    // The largest π is at least 1 / V, so that its logarithm is exact to a rounding of π.
    logSum = Double(maxZ) - log(Double(maxP))
    self.mean = Double(mean)
  }
}
