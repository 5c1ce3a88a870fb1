/// Reduces the middle axis of [outer × reduced × inner] numbers that have no kernel, in order.
struct NumberReduction<Number: TensorNumber> {
  let block: ReductionBlock
  let source: UnsafePointer<Number>

  /// Writes [outer × inner] results; `join` must be a literal, which is compiled into the loop.
  @inline(__always)
  func run(
    _ out: UnsafeMutablePointer<Number>,
    from start: Number,
    _ join: (Number, Number) -> Number
  ) {
    let width = block.inner
    for index in 0..<block.outer {
      let to = out + index * width
      for column in 0..<width { to[column] = start }
      for row in 0..<block.reduced {
        let from = source + (index * block.reduced + row) * width
        for column in 0..<width { to[column] = join(to[column], from[column]) }
      }
    }
  }
}

extension NumberReduction where Number: FixedWidthInteger {
  @inline(__always)
  func reduceIntegers(_ reduction: Reduction, _ out: UnsafeMutablePointer<Number>) {
    switch reduction {
    case .sum, .squares: run(out, from: 0) { $0 &+ $1 }
    case .product: run(out, from: 1) { $0 &* $1 }
    case .maximum: run(out, from: .min) { $0 > $1 ? $0 : $1 }
    case .minimum: run(out, from: .max) { $0 < $1 ? $0 : $1 }
    }
  }
}

extension NumberReduction<Double> {
  func reduceReals(_ reduction: Reduction, _ out: UnsafeMutablePointer<Double>) {
    switch reduction {
    case .sum, .squares: run(out, from: 0) { $0 + $1 }
    case .product: run(out, from: 1) { $0 * $1 }
    case .maximum: run(out, from: -.infinity) { $0 > $1 || $0.isNaN ? $0 : $1 }
    case .minimum: run(out, from: .infinity) { $0 < $1 || $0.isNaN ? $0 : $1 }
    }
  }
}
