import Foundation
import Tensor

/// The angle between the rows of two matrices, in radians: OAAE's novelty score.
///
///     angle = arccos( z·ẑ / (max(‖z‖, 1e-12) · max(‖ẑ‖, 1e-12)) )
///           = 2 · atan2( ‖a − b‖, ‖a + b‖ ),  a = z/‖z‖, b = ẑ/‖ẑ‖
///
/// The second form, in Double, is exact near 0 and π too. A row of zeros is at a right angle to
/// everything.
///
/// - Shapes: both [N × d].
/// - Source: An et al. 2021, "OAAE", the novelty score; the accurate form: Kahan 2006, "How Futile
///   are Mindless Assessments of Roundoff", section 12.
func latentAngles(_ latents: Tensor<Float>, _ reencoded: Tensor<Float>) -> [Float] {
  expect(
    latents.shape == reencoded.shape,
    "latent angles: shapes differ, \(latents.shape) · \(reencoded.shape)"
  )
  return reencoded.withUnsafeElements { others in
    latents.rowValues { row, width in
      let a = row.start.assumingMemoryBound(to: Float.self)
      let b = others.row(row.index, width).assumingMemoryBound(to: Float.self)
      return angle(a, b, width)
    }
  }
}

private func angle(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ width: Int) -> Float {
  func inverseLength(_ x: UnsafePointer<Float>) -> Double {
    var sum = 0.0
    for index in 0..<width { sum += Double(x[index]) * Double(x[index]) }
    return 1 / max(sum.squareRoot(), 1e-12)
  }
  let (scaleA, scaleB) = (inverseLength(a), inverseLength(b))
  var (difference, sum) = (0.0, 0.0)
  for index in 0..<width {
    let (x, y) = (Double(a[index]) * scaleA, Double(b[index]) * scaleB)
    difference += (x - y) * (x - y)
    sum += (x + y) * (x + y)
  }
  return Float(2 * atan2(difference.squareRoot(), sum.squareRoot()))
}
