extension Tensor {
  /// The elements as another type.
  ///
  /// To floats: the nearest number, ties to even; overflow becomes infinity. To integers: towards
  /// zero and clamped to the type's range, NaN becomes 0. To `Bool`: whether the element is not 0.
  /// The same type shares memory.
  public func converted<Other: TensorElement>(to type: Other.Type) -> Tensor<Other> {
    if let same = self as? Tensor<Other> { return same }
    switch (self, Other.elementType) {
    case (let x as Tensor<Float16>, .float32): return unwrap(Tensor<Float>(converting: x))
    case (let x as Tensor<BFloat16>, .float32): return unwrap(Tensor<Float>(converting: x))
    case (let x as Tensor<Float>, .float16): return unwrap(Tensor<Float16>(converting: x))
    case (let x as Tensor<Float>, .bfloat16): return unwrap(Tensor<BFloat16>(converting: x))
    default: break
    }
    // Every other pair goes by the widest type that holds both.
    let isInteger = !Element.elementType.isFloating && !Other.elementType.isFloating
    return withUnsafeElements { source in
      Tensor<Other>(uninitialized: shape) { target in
        WorkPool.forEachRange(count: count, grain: vectorGrain) { range in
          let from = UnsafeBufferPointer(rebasing: source[range])
          let to = UnsafeMutableBufferPointer(rebasing: target[range])
          if isInteger {
            convert(from, to, by: Int64.self)
          } else {
            convert(from, to, by: Double.self)
          }
        }
      }
    }
  }
}

private func unwrap<Element, Other>(_ tensor: Tensor<Element>) -> Tensor<Other> {
  guard let result = tensor as? Tensor<Other> else { fatalError("convert: two types differ") }
  return result
}

extension ElementType {
  /// Whether the numbers have a fraction.
  fileprivate var isFloating: Bool {
    switch self {
    case .float32, .float16, .bfloat16, .float64: true
    case .int64, .int32, .int8, .uint8, .bool: false
    }
  }
}

/// The type that a conversion goes by.
private protocol Widest {
  init<Number: BinaryInteger>(_ number: Number)
  init(double: Double)
  var double: Double { get }
  func clamped<Number: FixedWidthInteger>(to type: Number.Type) -> Number
}

extension Int64: Widest {
  init(double: Double) { self = double.clamped(to: Int64.self) }
  var double: Double { Double(self) }
  func clamped<Number: FixedWidthInteger>(to type: Number.Type) -> Number { Number(clamping: self) }
}

extension Double: Widest {
  init(double: Double) { self = double }
  var double: Double { self }

  func clamped<Number: FixedWidthInteger>(to type: Number.Type) -> Number {
    if isNaN { return 0 }
    // The type's largest number may round up to one that it does not hold.
    if self >= Double(Number.max) { return .max }
    return self <= Double(Number.min) ? .min : Number(self)
  }
}

/// Converts by chunks of the widest type, so that each type needs one loop in and one out.
@inline(__always)
private func convert<From: TensorElement, To: TensorElement, Wide: Widest>(
  _ source: UnsafeBufferPointer<From>,
  _ target: UnsafeMutableBufferPointer<To>,
  by: Wide.Type
) {
  let chunk = 512
  withUnsafeTemporaryAllocation(of: Wide.self, capacity: chunk) { wide in
    for first in stride(from: 0, to: source.count, by: chunk) {
      let range = first..<min(first + chunk, source.count)
      widen(UnsafeBufferPointer(rebasing: source[range]), wide)
      narrow(wide, UnsafeMutableBufferPointer(rebasing: target[range]))
    }
  }
}

@inline(__always)
private func widen<From: TensorElement, Wide: Widest>(
  _ source: UnsafeBufferPointer<From>,
  _ wide: UnsafeMutableBufferPointer<Wide>
) {
  @inline(__always)
  func each<Number>(_ type: Number.Type, _ convert: (Number) -> Wide) {
    source.withMemoryRebound(to: type) { numbers in
      for index in numbers.indices { wide[index] = convert(numbers[index]) }
    }
  }
  switch From.elementType {
  case .float32: each(Float.self) { Wide(double: Double($0)) }
  case .float64: each(Double.self) { Wide(double: $0) }
  case .float16: each(Float16.self) { Wide(double: Double($0)) }
  case .bfloat16: each(BFloat16.self) { Wide(double: Double(Float($0))) }
  case .int64: each(Int64.self) { Wide($0) }
  case .int32: each(Int32.self) { Wide($0) }
  case .int8: each(Int8.self) { Wide($0) }
  case .uint8: each(UInt8.self) { Wide($0) }
  case .bool: each(Bool.self) { Wide($0 ? 1 : 0) }
  }
}

@inline(__always)
private func narrow<To: TensorElement, Wide: Widest>(
  _ wide: UnsafeMutableBufferPointer<Wide>,
  _ target: UnsafeMutableBufferPointer<To>
) {
  @inline(__always)
  func each<Number>(_ type: Number.Type, _ convert: (Wide) -> Number) {
    target.withMemoryRebound(to: type) { numbers in
      for index in numbers.indices { numbers[index] = convert(wide[index]) }
    }
  }
  switch To.elementType {
  case .float32: each(Float.self) { Float($0.double) }
  case .float64: each(Double.self) { $0.double }
  case .float16: each(Float16.self) { Float16($0.double) }
  case .bfloat16: each(BFloat16.self) { BFloat16(roundingToOdd: $0.double) }
  case .int64: each(Int64.self) { $0.clamped(to: Int64.self) }
  case .int32: each(Int32.self) { $0.clamped(to: Int32.self) }
  case .int8: each(Int8.self) { $0.clamped(to: Int8.self) }
  case .uint8: each(UInt8.self) { $0.clamped(to: UInt8.self) }
  case .bool: each(Bool.self) { $0.double != 0 }
  }
}

extension BFloat16 {
  /// The nearest number: the step over `Float` rounds to odd, so that no tie is broken twice.
  fileprivate init(roundingToOdd double: Double) {
    var float = Float(double)
    if float.isFinite && Double(float) != double && float.bitPattern & 1 == 0 {
      let isTooLarge = Double(float.magnitude) > double.magnitude
      float = Float(bitPattern: isTooLarge ? float.bitPattern - 1 : float.bitPattern + 1)
    }
    self.init(float)
  }
}
