import Tensor

// Filters of two weights with fewer products.
//
//     product    s = u · w as polynomials, u of m coefficients, w of 2:
//                s = C ((A u) ⊙ (G w))                                 m + 1 products, not 2 m
//     filter     y_o = x_o w_0 + x_{o+1} w_1 for m outputs, its transpose:
//                y = Aᵀ ((Cᵀ x) ⊙ (G w))                               m + 1 products, not 2 m
//
// A takes the values of u at m points and its leading coefficient (the point ∞), C is the
// polynomial through the products, G takes w's values, and the denominators of C. Both are exact;
// the points are small, so that in single precision little is lost. Of an image both axes are done
// one after the other: (m + 1)² products instead of 4 m².
//
// - Source: Winograd 1980, "Arithmetic Complexity of Computations"; Lavin and Gray 2016, "Fast
//   Algorithms for Convolutional Neural Networks", section 4.

/// Eight channels of one pixel.
typealias Lane = SIMD8<Float>

/// The four transforms of one length m, in place on lanes that lie `step` apart.
protocol ToomCook {
  /// m.
  static var size: Int { get }
  /// G w.
  static func values(_ first: Double, _ second: Double) -> [Double]
  /// A: m coefficients become m + 1 values.
  static func evaluate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int)
  /// C: m + 1 products become m + 1 coefficients.
  static func interpolate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int)
  /// Cᵀ: m + 1 inputs become what is multiplied.
  static func spread(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int)
  /// Aᵀ: m + 1 products become m outputs.
  static func gather(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int)
}

/// Three coefficients at 0, 1, −1 and ∞.
enum ThreeCoefficients: ToomCook {
  static var size: Int { 3 }

  static func values(_ first: Double, _ second: Double) -> [Double] {
    [first, (first + second) / 2, (first - second) / 2, second]
  }

  @inline(__always)
  static func evaluate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (u0, u1, u2) = (lanes[0], lanes[step], lanes[2 * step])
    let even = u0 + u2
    lanes[step] = even + u1
    lanes[2 * step] = even - u1
    lanes[3 * step] = u2
  }

  @inline(__always)
  static func interpolate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (p0, p1, p2, p3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    lanes[step] = p1 - p2 - p3
    lanes[2 * step] = p1 + p2 - p0
  }

  @inline(__always)
  static func spread(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (x0, x1, x2, x3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    lanes[0] = x0 - x2
    lanes[step] = x1 + x2
    lanes[2 * step] = x2 - x1
    lanes[3 * step] = x3 - x1
  }

  @inline(__always)
  static func gather(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (p0, p1, p2, p3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    let even = p1 + p2
    lanes[0] = p0 + even
    lanes[step] = p1 - p2
    lanes[2 * step] = even + p3
  }
}

/// Four coefficients at 0, 1, −1, 2 and ∞.
enum FourCoefficients: ToomCook {
  static var size: Int { 4 }

  static func values(_ first: Double, _ second: Double) -> [Double] {
    [first, (first + second) / 2, (first - second) / 2, (first + 2 * second) / 6, second]
  }

  @inline(__always)
  static func evaluate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (u0, u1, u2, u3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    let (even, odd) = (u0 + u2, u1 + u3)
    lanes[step] = even + odd
    lanes[2 * step] = even - odd
    lanes[3 * step] = u0 + 2 * (u1 + 2 * (u2 + 2 * u3))
    lanes[4 * step] = u3
  }

  @inline(__always)
  static func interpolate(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (p0, p1, p2, p3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    let p4 = lanes[4 * step]
    let third = p3 + 0.5 * p0 - p1 - p2 * (1 / 3) - 2 * p4
    lanes[step] = p1 - p2 - third
    lanes[2 * step] = p1 + p2 - p0 - p4
    lanes[3 * step] = third
  }

  @inline(__always)
  static func spread(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (x0, x1, x2, x3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    let x4 = lanes[4 * step]
    let difference = x3 - x1
    lanes[0] = x0 - x2 + 0.5 * difference
    lanes[step] = x1 + x2 - difference
    lanes[2 * step] = x2 - x1 - difference * (1 / 3)
    lanes[3 * step] = difference
    lanes[4 * step] = x4 - x2 - 2 * difference
  }

  @inline(__always)
  static func gather(_ lanes: UnsafeMutablePointer<Lane>, _ step: Int) {
    let (p0, p1, p2, p3) = (lanes[0], lanes[step], lanes[2 * step], lanes[3 * step])
    let (even, odd) = (p1 + p2, p1 - p2)
    lanes[0] = p0 + even + p3
    lanes[step] = odd + 2 * p3
    lanes[2 * step] = even + 4 * p3
    lanes[3 * step] = odd + 8 * p3 + lanes[4 * step]
  }
}
