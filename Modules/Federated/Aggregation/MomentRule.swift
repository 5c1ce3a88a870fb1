import Tensor

/// One step of a server optimizer on one tensor.
struct MomentRule {
  private let rule: ServerOptimizer.Rule
  private let rate: Double

  init(_ rule: ServerOptimizer.Rule, rate: Double) {
    self.rule = rule
    self.rate = rate
  }

  /// Changes the value and its moments, which lie at `place`, where the mask allows; nil allows all.
  func step(
    _ value: inout Tensor<Float>,
    _ average: Tensor<Float>,
    mask: BitSet?,
    m first: inout ParameterSet,
    v second: inout ParameterSet,
    at place: Int
  ) {
    switch rule {
    case .average:
      average.withUnsafeElements { a in
        value.withUnsafeMutableElements { w in
          forEach(w.count, mask) { w[$0] = Float(Double(w[$0]) + rate * Double(a[$0])) }
        }
      }
    case .momentum(let beta):
      first.update(at: place) { first in
        withElements(average, &value, &first) { a, w, m in
          forEach(w.count, mask) { index in
            let moment = beta * Double(m[index]) + Double(a[index])
            m[index] = Float(moment)
            w[index] = Float(Double(w[index]) + rate * moment)
          }
        }
      }
    case .adagrad(let beta1, let tau):
      adapt(&value, average, mask, &first, &second, place, beta1, tau) { v, square in v + square }
    case .adam(let beta1, let beta2, let tau):
      adapt(&value, average, mask, &first, &second, place, beta1, tau) { v, square in
        beta2 * v + (1 - beta2) * square
      }
    case .yogi(let beta1, let beta2, let tau):
      adapt(&value, average, mask, &first, &second, place, beta1, tau) { v, square in
        let sign: Double = v > square ? 1 : (v < square ? -1 : 0)
        return v - (1 - beta2) * square * sign
      }
    }
  }

  @inline(__always)
  private func adapt(
    _ value: inout Tensor<Float>,
    _ average: Tensor<Float>,
    _ mask: BitSet?,
    _ first: inout ParameterSet,
    _ second: inout ParameterSet,
    _ place: Int,
    _ beta1: Double,
    _ tau: Double,
    _ next: (_ v: Double, _ square: Double) -> Double
  ) {
    first.update(at: place) { first in
      second.update(at: place) { second in
        second.withUnsafeMutableElements { v in
          withElements(average, &value, &first) { a, w, m in
            forEach(w.count, mask) { index in
              let gradient = Double(a[index])
              let moment = beta1 * Double(m[index]) + (1 - beta1) * gradient
              let square = next(Double(v[index]), gradient * gradient)
              m[index] = Float(moment)
              v[index] = Float(square)
              w[index] = Float(Double(w[index]) + rate * moment / (square.squareRoot() + tau))
            }
          }
        }
      }
    }
  }

  private func withElements(
    _ average: Tensor<Float>,
    _ value: inout Tensor<Float>,
    _ moment: inout Tensor<Float>,
    _ body: (
      UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>,
      UnsafeMutableBufferPointer<Float>
    ) -> Void
  ) {
    average.withUnsafeElements { a in
      value.withUnsafeMutableElements { w in
        moment.withUnsafeMutableElements { m in body(a, w, m) }
      }
    }
  }

  @inline(__always)
  private func forEach(_ count: Int, _ mask: BitSet?, _ body: (Int) -> Void) {
    if let mask {
      mask.forEachSet(body)
    } else {
      for index in 0..<count { body(index) }
    }
  }
}
