import CKernels

// Float goes through vector kernels whose errors CKernels.h states, Double through the C library.
// NaN in gives NaN out.

extension Tensor where Element: TensorReal {
  /// The magnitudes.
  public func abs() -> Tensor { applying(.absolute) }

  /// The squares.
  public func square() -> Tensor { applying(.square) }

  /// The square roots; NaN below 0.
  public func sqrt() -> Tensor { applying(.squareRoot) }

  /// 1 / x.
  public func reciprocal() -> Tensor { applying(.reciprocal) }

  /// 1 / √x; NaN below 0.
  public func rsqrt() -> Tensor { applying(.reciprocalRoot) }

  /// −1, 0 or 1 by the sign; zeros keep theirs.
  public func sign() -> Tensor { applying(.sign) }

  /// The largest whole numbers that are not larger.
  public func floor() -> Tensor { applying(.floor) }

  /// The smallest whole numbers that are not smaller.
  public func ceil() -> Tensor { applying(.ceiling) }

  /// The nearest whole numbers, ties to even.
  public func rounded() -> Tensor { applying(.round) }

  /// Elements outside the range moved to its nearer bound.
  public func clamped(to range: ClosedRange<Element>) -> Tensor {
    applying(.clamp, range.lowerBound, range.upperBound)
  }

  /// e to the power of each element.
  public func exp() -> Tensor { applying(.exp) }

  /// exp(x) − 1, accurate near 0.
  public func expm1() -> Tensor { applying(.expm1) }

  /// The natural logarithms; −∞ at 0, NaN below.
  public func log() -> Tensor { applying(.log) }

  /// log(1 + x), accurate near 0.
  public func log1p() -> Tensor { applying(.log1p) }

  /// The sines of angles in radians.
  public func sin() -> Tensor { applying(.sine) }

  /// The cosines of angles in radians.
  public func cos() -> Tensor { applying(.cosine) }

  /// The hyperbolic tangents.
  public func tanh() -> Tensor { applying(.tanh) }

  /// 1 / (1 + exp(−x)).
  public func sigmoid() -> Tensor { applying(.sigmoid) }

  /// The error function, 2/√π ∫₀ˣ exp(−t²) dt.
  public func erf() -> Tensor { applying(.erf) }

  /// max(x, 0).
  public func relu() -> Tensor { applying(.relu) }

  /// x above 0, slope · x below.
  public func leakyReLU(slope: Element = 0.01) -> Tensor { applying(.leakyReLU, slope) }

  /// x above 0, alpha · (exp(x) − 1) below.
  ///
  /// Source: Clevert et al. 2016, "Exponential Linear Units".
  public func elu(alpha: Element = 1) -> Tensor { applying(.elu, alpha) }

  /// x · Φ(x) with Φ the normal distribution, or the usual approximation by tanh.
  ///
  /// Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
  public func gelu(_ form: GELUForm = .exact) -> Tensor { applying(form.function) }

  /// x · sigmoid(x).
  public func silu() -> Tensor { applying(.silu) }

  /// log(1 + exp(x)), without overflow.
  public func softplus() -> Tensor { applying(.softplus) }

  /// The elements to a power; NaN for a negative element unless the exponent is whole.
  public func pow(_ exponent: Element) -> Tensor {
    switch exponent {
    case 0: Tensor(repeating: 1, shape: shape)
    case 1: self
    case 2: square()
    case 0.5: sqrt()
    case -1: reciprocal()
    case -0.5: rsqrt()
    default: raised(to: exponent)
    }
  }
}

/// The two forms of GELU in use.
public enum GELUForm: String, Sendable, Codable, CaseIterable {
  /// By the error function: PyTorch's default.
  case exact
  /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))): GPT-2's `gelu_new`, Gemma's.
  case tanh

  package var function: ElementFunction { self == .exact ? .gelu : .geluTanh }
}

// MARK: - How

extension Tensor where Element: TensorReal {
  package func applying(
    _ function: ElementFunction,
    _ low: Element = 0,
    _ high: Element = 0
  ) -> Tensor {
    Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      defer { withExtendedLifetime(storage) {} }
      guard Element.self == Float.self else {
        for index in 0..<count {
          to[index] = Element(function.value(Double(start[index]), Double(low), Double(high)))
        }
        return
      }
      let (from, out) = (UnsafeRawPointer(start), UnsafeMutableRawPointer(to))
      let (source, result) = (
        from.assumingMemoryBound(to: Float.self), out.assumingMemoryBound(to: Float.self)
      )
      let (first, second) = (Float(low), Float(high))
      forEachRange(count: count, grain: vectorGrain) { range in
        let start = range.lowerBound
        ck_apply(function.rawValue, range.count, source + start, first, second, result + start)
      }
    }
  }

  private func raised(to exponent: Element) -> Tensor {
    Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      defer { withExtendedLifetime(storage) {} }
      guard Element.self == Float.self, exponent.isFinite else {
        for index in 0..<count {
          to[index] = Element(power(Double(start[index]), Double(exponent)))
        }
        return
      }
      let source = UnsafeRawPointer(start).assumingMemoryBound(to: Float.self)
      let result = UnsafeMutableRawPointer(to).assumingMemoryBound(to: Float.self)
      let exponent = Float(exponent)
      forEachRange(count: count, grain: vectorGrain) { range in
        ck_power(range.count, source + range.lowerBound, exponent, result + range.lowerBound)
      }
    }
  }
}

extension Tensor where Element == Float {
  /// Moves elements outside the range to its nearer bound, in place when the memory is not shared;
  /// NaN stays.
  public mutating func clamp(to range: ClosedRange<Float>) {
    withUnsafeMutableElements { elements in
      guard let start = elements.baseAddress else { return }
      forEachRange(count: elements.count, grain: vectorGrain) { part in
        let (first, function) = (start + part.lowerBound, ElementFunction.clamp.rawValue)
        ck_apply(function, part.count, first, range.lowerBound, range.upperBound, first)
      }
    }
  }

  /// Multiplies a gradient by the slope of a function, in place if the memory is not shared.
  ///
  /// `saved` is the argument or the result, as `takesSlopeFromResult` says.
  package mutating func multiply(
    bySlopeOf function: ElementFunction,
    at saved: Tensor,
    _ low: Float = 0,
    _ high: Float = 0
  ) {
    expect(shape == saved.shape, "slope: shapes differ, \(shape) · \(saved.shape)")
    rewrite { from, to in
      forEachRange(count: saved.count, grain: vectorGrain) { range in
        let first = range.lowerBound
        ck_apply_slope(
          function.rawValue,
          range.count,
          saved.start + first,
          from + first,
          low,
          high,
          to + first
        )
      }
    }
    withExtendedLifetime(saved.storage) {}
  }
}
