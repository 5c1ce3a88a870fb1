extension Tensor {
  /// A tensor of `elements` in row-major order; their number must be the shape's.
  public init(_ elements: [Element], shape: Shape) {
    expect(
      elements.count == shape.count,
      "tensor: \(elements.count) elements do not fill \(shape), which holds \(shape.count)"
    )
    self.init(uninitialized: shape) { target in
      _ = target.initialize(from: elements)
    }
  }

  /// A vector of `elements`.
  public init(_ elements: [Element]) { self.init(elements, shape: [elements.count]) }

  /// A tensor whose elements are all `value`.
  public init(repeating value: Element, shape: Shape) {
    self.init(uninitialized: shape) { $0.initialize(repeating: value) }
  }

  /// A tensor of zeros (`false` for `Bool`).
  public static func zeros(_ shape: Shape) -> Tensor { Tensor(repeating: .zero, shape: shape) }

  /// A scalar: rank 0, one element.
  public init(scalar value: Element) { self.init(repeating: value, shape: []) }

  /// The one element of a tensor that has just one.
  public var item: Element {
    expect(count == 1, "item: \(shape) holds \(count) elements, not one")
    return start.pointee
  }
}

extension Tensor where Element == Float {
  /// A tensor of ones.
  public static func ones(_ shape: Shape) -> Tensor { Tensor(repeating: 1, shape: shape) }
}
