import Tensor

/// √ Σ g² over the gradients of all parameters; parameters without one count as 0.
///
/// Sums are taken in Double, in a fixed order. NaN and infinity come through.
///
/// - Complexity: one pass over the gradients.
public func gradientNorm(of parameters: [Parameter]) -> Float {
  Float(parameters.reduce(0.0) { $0 + ($1.gradient?.sumOfSquares() ?? 0) }.squareRoot())
}

/// Scales the gradients of all parameters so that their common norm is at most `maximum`.
///
///     g ← g · min(1, maximum / ‖g‖)
///
/// A norm that is not finite changes nothing: look at the result.
///
/// - Parameters:
///   - parameters: the parameters; those without a gradient count as 0.
///   - maximum: the largest norm that stays as it is, above 0.
/// - Returns: the norm before.
/// - Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks",
///   section 3.2.
@discardableResult
public func clipGradients(of parameters: [Parameter], to maximum: Float) -> Float {
  expect(maximum > 0, "clip gradients: the largest norm is \(maximum), above 0 is needed")
  let norm = gradientNorm(of: parameters)
  scaleGradients(of: parameters, norm, maximum)
  return norm
}

/// Scales gradients whose common norm is `norm` down to `maximum`.
func scaleGradients(of parameters: [Parameter], _ norm: Float, _ maximum: Float) {
  guard norm.isFinite, norm > maximum else { return }
  for parameter in parameters {
    parameter.update { _, gradient -> Void in gradient? *= maximum / norm }
  }
}

/// The elements of one part: 128 KiB, within the second-level cache.
private let grain = 1 << 15

extension Tensor where Element == Float {
  /// Σ x² in Double, part by part in order.
  fileprivate func sumOfSquares() -> Double {
    withUnsafeElements { elements in
      let parts = (elements.count + grain - 1) / grain
      guard parts > 1 else { return Autograd.sumOfSquares(elements[...]) }
      var sums = [Double](repeating: 0, count: parts)
      sums.withUnsafeMutableBufferPointer { sums in
        nonisolated(unsafe) let sums = sums
        WorkPool.forEach(parts: parts) { part in
          let end = Swift.min((part + 1) * grain, elements.count)
          sums[part] = Autograd.sumOfSquares(elements[part * grain..<end])
        }
      }
      return sums.reduce(0, +)
    }
  }
}

/// Σ x² in eight lanes of Double, which no float overflows.
private func sumOfSquares(_ elements: Slice<UnsafeBufferPointer<Float>>) -> Double {
  var lanes = SIMD8<Double>()
  let base = UnsafeBufferPointer(rebasing: elements)
  let vectors = base.count / 8
  for vector in 0..<vectors {
    let start = vector * 8
    let x = SIMD8<Double>(
      Double(base[start]),
      Double(base[start + 1]),
      Double(base[start + 2]),
      Double(base[start + 3]),
      Double(base[start + 4]),
      Double(base[start + 5]),
      Double(base[start + 6]),
      Double(base[start + 7])
    )
    lanes += x * x
  }
  var sum = lanes.sum()
  for index in vectors * 8..<base.count { sum += Double(base[index]) * Double(base[index]) }
  return sum
}
