#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Tensor where Element == Float {
  /// Numbers drawn evenly from [lower, upper).
  public static func uniform(
    _ shape: Shape,
    from lower: Float = 0,
    to upper: Float = 1,
    using generator: inout Philox
  ) -> Tensor {
    Tensor(uninitialized: shape) { target in
      for index in target.indices {
        target[index] = lower + (upper - lower) * generator.uniform()
      }
    }
  }

  /// Numbers drawn from a normal distribution, by Box and Muller's transform.
  public static func normal(
    _ shape: Shape,
    mean: Float = 0,
    deviation: Float = 1,
    using generator: inout Philox
  ) -> Tensor {
    Tensor(uninitialized: shape) { target in
      var index = 0
      while index < target.count {
        // 1 − u lies in (0, 1], so the logarithm is finite.
        let pair = normalPair(1 - generator.uniform(), generator.uniform())
        target[index] = mean + deviation * pair.0
        if index + 1 < target.count { target[index + 1] = mean + deviation * pair.1 }
        index += 2
      }
    }
  }
}

/// Two independent normal numbers from two even ones, `first` in (0, 1].
private func normalPair(_ first: Float, _ second: Float) -> (Float, Float) {
  let radius = (-2 * log(Double(first))).squareRoot()
  let angle = 2 * Double.pi * Double(second)
  return (Float(radius * cos(angle)), Float(radius * sin(angle)))
}
