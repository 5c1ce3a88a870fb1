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

  /// A matrix of rows, which must have the same length.
  public init(_ rows: [[Element]]) {
    let width = rows.first?.count ?? 0
    expect(
      rows.allSatisfy { $0.count == width },
      "tensor: rows of different lengths, \(rows.map(\.count))"
    )
    self.init(rows.flatMap { $0 }, shape: [rows.count, width])
  }

  /// A tensor of rank 3 from matrices of the same shape, each a list of rows.
  public init(_ matrices: [[[Element]]]) {
    guard !matrices.isEmpty else {
      self.init([Element](), shape: [0, 0, 0])
      return
    }
    self = .stacking(matrices.map { Tensor($0) })
  }

  /// A tensor whose elements are all `value`.
  public init(repeating value: Element, shape: Shape) {
    self.init(uninitialized: shape) { target in
      guard let start = target.baseAddress else { return }
      start.fill(value, count: target.count)
    }
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

extension Tensor where Element: TensorNumber {
  /// A tensor of ones.
  public static func ones(_ shape: Shape) -> Tensor { Tensor(repeating: 1, shape: shape) }

  /// The numbers from `start` on in equal steps, without `end`.
  public static func arange(
    from start: Element = 0,
    to end: Element,
    by step: Element = 1
  ) -> Tensor {
    expect(step != 0, "arange: a step of 0")
    // Products, not sums: the last of many numbers is as exact as the first.
    var (elements, index) = ([Element](), Element(exactly: 0) ?? 0)
    while true {
      let element = start + index * step
      guard step > 0 ? element < end : element > end else { break }
      elements.append(element)
      index += 1
    }
    return Tensor(elements)
  }

  /// The identity matrix of `size` rows.
  public static func identity(_ size: Int) -> Tensor {
    var result = Tensor.zeros([size, size])
    result.withUnsafeMutableElements { elements in
      for index in 0..<size { elements[index * (size + 1)] = 1 }
    }
    return result
  }
}

extension Tensor where Element: TensorReal {
  /// `count` numbers at equal distances, both ends included.
  public static func linspace(from start: Element, to end: Element, count: Int) -> Tensor {
    expect(count >= 0, "linspace: \(count) numbers")
    let steps = Element(Swift.max(count - 1, 1))
    return Tensor(
      (0..<count).map { index in
        let part = Element(index) / steps
        return index == count - 1 && count > 1 ? end : start + part * (end - start)
      }
    )
  }
}

extension Tensor where Element == Float {
  /// 1 at each id, else 0.
  ///
  /// - Shapes: ids […] of 0 ..< count, result [… × count].
  public static func oneHot(_ ids: Tensor<Int32>, count: Int) -> Tensor {
    ids.check(below: count, "oneHot", of: [ids.count, count])
    var result = Tensor.zeros(ids.shape.inserting(count, at: ids.rank))
    result.withUnsafeMutableElements { elements in
      ids.withUnsafeElements { ids in
        for (row, id) in ids.enumerated() { elements[row * count + Int(id)] = 1 }
      }
    }
    return result
  }
}
