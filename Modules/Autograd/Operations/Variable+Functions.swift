public import Tensor

// Each backward step multiplies the gradient by the slope, in place where nobody else holds it.

extension Variable {
  /// The magnitudes; the gradient is 0 at 0.
  public func abs() -> Variable { applying(.absolute) }

  /// The squares.
  public func square() -> Variable { applying(.square) }

  /// The square roots.
  public func sqrt() -> Variable { applying(.squareRoot) }

  /// 1 / x.
  public func reciprocal() -> Variable { applying(.reciprocal) }

  /// 1 / √x.
  public func rsqrt() -> Variable { applying(.reciprocalRoot) }

  /// −1, 0 or 1 by the sign; without gradient.
  public func sign() -> Variable { applying(.sign) }

  /// The largest whole numbers that are not larger; without gradient.
  public func floor() -> Variable { applying(.floor) }

  /// The smallest whole numbers that are not smaller; without gradient.
  public func ceil() -> Variable { applying(.ceiling) }

  /// The nearest whole numbers, ties to even; without gradient.
  public func rounded() -> Variable { applying(.round) }

  /// Elements outside the range moved to its nearer bound; those outside get no gradient.
  public func clamped(to range: ClosedRange<Float>) -> Variable {
    applying(.clamp, range.lowerBound, range.upperBound)
  }

  /// e to the power of each element.
  public func exp() -> Variable { applying(.exp) }

  /// exp(x) − 1, accurate near 0.
  public func expm1() -> Variable { applying(.expm1) }

  /// The natural logarithms.
  public func log() -> Variable { applying(.log) }

  /// log(1 + x), accurate near 0.
  public func log1p() -> Variable { applying(.log1p) }

  /// The sines of angles in radians.
  public func sin() -> Variable { applying(.sine) }

  /// The cosines of angles in radians.
  public func cos() -> Variable { applying(.cosine) }

  /// The hyperbolic tangents.
  public func tanh() -> Variable { applying(.tanh) }

  /// 1 / (1 + exp(−x)).
  public func sigmoid() -> Variable { applying(.sigmoid) }

  /// The error function.
  public func erf() -> Variable { applying(.erf) }

  /// max(x, 0); the gradient is 0 at 0.
  public func relu() -> Variable { applying(.relu) }

  /// x above 0, slope · x below; the gradient at 0 is the slope.
  public func leakyReLU(slope: Float = 0.01) -> Variable { applying(.leakyReLU, slope) }

  /// x above 0, alpha · (exp(x) − 1) below.
  public func elu(alpha: Float = 1) -> Variable { applying(.elu, alpha) }

  /// x · Φ(x) with Φ the normal distribution, or the usual approximation by tanh.
  public func gelu(_ form: GELUForm = .exact) -> Variable { applying(form.function) }

  /// x · sigmoid(x).
  public func silu() -> Variable { applying(.silu) }

  /// log(1 + exp(x)), without overflow.
  public func softplus() -> Variable { applying(.softplus) }

  /// The elements to a power: exponent · xᵉ⁻¹ is the slope.
  public func pow(_ exponent: Float) -> Variable {
    let x = value
    return Self.recorded(x.pow(exponent), self) { gradient, inputs in
      gradient *= x.pow(exponent - 1)
      gradient *= exponent
      inputs.pass(to: 0, gradient)
    }
  }

  private func applying(
    _ function: ElementFunction,
    _ low: Float = 0,
    _ high: Float = 0
  ) -> Variable {
    let x = value
    let y = x.applying(function, low, high)
    let saved = function.takesSlopeFromResult ? y : x
    return Self.recorded(y, self) { gradient, inputs in
      gradient.multiply(bySlopeOf: function, at: saved, low, high)
      inputs.pass(to: 0, gradient)
    }
  }
}
