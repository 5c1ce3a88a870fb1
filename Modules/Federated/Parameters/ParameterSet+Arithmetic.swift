import Tensor

extension ParameterSet {
  /// This set plus `scale` times another of the same names and shapes.
  public func adding(_ other: ParameterSet, scale: Float = 1) -> ParameterSet {
    var result = self
    result.add(other, scale: scale)
    return result
  }

  /// Adds `scale` times another set, which may hold fewer tensors but no others.
  public mutating func add(_ other: ParameterSet, scale: Float = 1) {
    for (name, tensor) in other.entries {
      guard let place = index(of: name) else {
        expect(false, "parameter set: nothing to add '\(name)' to")
        continue
      }
      update(at: place) { target in
        expect(
          target.shape == tensor.shape,
          "parameter set: '\(name)' does not fit, \(target.shape) · \(tensor.shape)"
        )
        target += scale == 1 ? tensor : tensor * scale
      }
    }
  }

  /// This set minus another of the same names and shapes: what training changed.
  public func subtracting(_ other: ParameterSet) -> ParameterSet {
    adding(other, scale: -1)
  }

  /// Every element times a number.
  public func scaled(by factor: Float) -> ParameterSet { mapValues { $0 * factor } }

  /// Σ x² over all elements, summed in Double.
  public var squaredNorm: Double {
    tensors.reduce(0) { total, tensor in
      total + tensor.withUnsafeElements { elements in sumOfSquares(elements) }
    }
  }

  /// √Σ x² over all elements.
  public var norm: Double { squaredNorm.squareRoot() }

  /// The first tensor that holds a NaN or an infinity; nil if all are finite.
  public var firstNotFinite: String? {
    zip(names, tensors).first { !isFinite($1) }?.0
  }
}

/// Σ x² in Double, in four interleaved sums.
func sumOfSquares(_ elements: UnsafeBufferPointer<Float>) -> Double {
  guard let start = elements.baseAddress else { return 0 }
  var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
  let whole = elements.count & ~3
  for index in stride(from: 0, to: whole, by: 4) {
    let (w, x) = (Double(start[index]), Double(start[index + 1]))
    let (y, z) = (Double(start[index + 2]), Double(start[index + 3]))
    a += w * w
    b += x * x
    c += y * y
    d += z * z
  }
  for index in whole..<elements.count { a += Double(start[index]) * Double(start[index]) }
  return (a + c) + (b + d)
}

/// Whether all elements are finite: x − x is 0 for finite numbers only.
func isFinite(_ tensor: Tensor<Float>) -> Bool {
  tensor.withUnsafeElements { elements in
    guard let start = elements.baseAddress else { return true }
    var sums = SIMD16<Float>()
    let whole = elements.count & ~15
    var index = 0
    while index < whole {
      let values = UnsafeRawPointer(start + index).loadUnaligned(as: SIMD16<Float>.self)
      sums += values - values
      index += 16
    }
    var total = sums.sum()
    while index < elements.count {
      total += start[index] - start[index]
      index += 1
    }
    return total == 0
  }
}
