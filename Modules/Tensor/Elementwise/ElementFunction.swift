#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A function of one element; the raw values are CKernels'.
package enum ElementFunction: Int32, Sendable {
  case absolute = 0
  case square, squareRoot, reciprocal, reciprocalRoot, sign, floor, ceiling, round
  case clamp, exp, expm1, log, log1p, sine, cosine, tanh, sigmoid, erf
  case relu, leakyReLU, elu, gelu, geluTanh, silu, softplus

  /// Whether the slope is computed from the result; else from the argument.
  package var takesSlopeFromResult: Bool {
    switch self {
    case .squareRoot, .reciprocal, .reciprocalRoot, .exp, .expm1, .tanh, .sigmoid, .relu, .elu:
      true
    default: false
    }
  }

  /// The function in double precision: what the kernels are held against.
  func value(_ x: Double, _ low: Double, _ high: Double) -> Double {
    switch self {
    case .absolute: Swift.abs(x)
    case .square: x * x
    case .squareRoot: x.squareRoot()
    case .reciprocal: 1 / x
    case .reciprocalRoot: 1 / x.squareRoot()
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x
    case .floor: x.rounded(.down)
    case .ceiling: x.rounded(.up)
    case .round: x.rounded(.toNearestOrEven)
    case .clamp: x < low ? low : x > high ? high : x
    default: transcendental(x, low)
    }
  }

  private func transcendental(_ x: Double, _ low: Double) -> Double {
    switch self {
    case .exp: exponential(x)
    case .expm1: exponentialLessOne(x)
    case .log: logarithm(x)
    case .log1p: logarithmOfOneMore(x)
    case .sine: sin(x)
    case .cosine: cos(x)
    case .tanh: hyperbolicTangent(x)
    case .erf: errorFunction(x)
    default: activation(x, low)
    }
  }

  private func activation(_ x: Double, _ low: Double) -> Double {
    switch self {
    case .sigmoid: 1 / (1 + exponential(-x))
    case .relu: x <= 0 ? 0 : x
    case .leakyReLU: x < 0 ? x * low : x
    case .elu: x > 0 ? x : low * exponentialLessOne(x)
    case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
    case .geluTanh:
      // x/2 · (1 + tanh(u)) without the cancellation of negative u.
      x / (1 + exponential(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .silu: x == -.infinity ? 0 : x / (1 + exponential(-x))
    default: Swift.max(x, 0) + logarithmOfOneMore(exponential(-Swift.abs(x)))
    }
  }
}

// The names of the cases hide those of the C library inside the type.
private func exponential(_ x: Double) -> Double { exp(x) }
private func logarithm(_ x: Double) -> Double { log(x) }
private func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
private func errorFunction(_ x: Double) -> Double { erf(x) }
private func exponentialLessOne(_ x: Double) -> Double { expm1(x) }
private func logarithmOfOneMore(_ x: Double) -> Double { log1p(x) }
