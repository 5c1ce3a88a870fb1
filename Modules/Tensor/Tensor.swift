/// A dense array of numbers with a shape: a value, like `Array`.
///
/// Elements lie contiguously in row-major order. Copies share memory until one of them is written
/// (copy on write); slices along the leading axis share it too. Everything else copies. The element
/// type is static, the rank is not. `Tensor<Float>` is what computes; the other element types store
/// and convert.
///
///     let x = Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
///     let y = x.matmul(x.transposed())   // [2×2]
///
/// Breaking a contract (shapes that do not fit, an index out of range) stops the program with a
/// message that shows both shapes.
public struct Tensor<Element: TensorElement>: Sendable {
  /// The extents, outermost first.
  public let shape: Shape
  package var storage: TensorStorage
  /// Where this tensor starts in its storage, in elements.
  package let offset: Int

  package init(shape: Shape, storage: TensorStorage, offset: Int) {
    self.shape = shape
    self.storage = storage
    self.offset = offset
  }

  /// A tensor whose memory `initialize` fills: every element must be written.
  public init<Failure: Error>(
    uninitialized shape: Shape,
    initializing initialize: (UnsafeMutableBufferPointer<Element>) throws(Failure) -> Void
  ) throws(Failure) {
    let count = shape.count
    storage = TensorStorage(byteCount: count * MemoryLayout<Element>.stride)
    self.shape = shape
    offset = 0
    let start = storage.pointer.bindMemory(to: Element.self, capacity: count)
    try initialize(UnsafeMutableBufferPointer(start: start, count: count))
  }

  /// A tensor over memory that `owner` keeps alive and nobody writes: a mapped file.
  ///
  /// `pointer` must be aligned for `Element`. The first write copies.
  package init(
    viewing pointer: UnsafeRawPointer,
    shape: Shape,
    owner: any AnyObject & Sendable
  ) {
    expect(
      Int(bitPattern: pointer) % MemoryLayout<Element>.alignment == 0,
      "tensor: the memory to view is not aligned for \(Element.elementType)"
    )
    self.shape = shape
    storage = TensorStorage(
      viewing: pointer,
      byteCount: shape.count * MemoryLayout<Element>.stride,
      owner: owner
    )
    offset = 0
  }

  /// The number of elements.
  public var count: Int { shape.count }
  /// The number of dimensions.
  public var rank: Int { shape.rank }

  var start: UnsafeMutablePointer<Element> {
    storage.pointer.assumingMemoryBound(to: Element.self) + offset
  }

  /// Calls `body` with the elements in row-major order.
  public func withUnsafeElements<Result, Failure: Error>(
    _ body: (UnsafeBufferPointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(start: UnsafePointer(start), count: count))
  }

  /// Calls `body` with the elements for writing, in row-major order; copies first if shared.
  public mutating func withUnsafeMutableElements<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    makeUnique()
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeMutableBufferPointer(start: start, count: count))
  }

  /// Computes every element anew from the old ones: `body` gets where they lie and where to write.
  ///
  /// Both are one place if nobody else holds the memory; else the new elements get their own, which
  /// costs less than to copy the old ones first.
  package mutating func rewrite(
    _ body: (_ from: UnsafePointer<Element>, _ to: UnsafeMutablePointer<Element>) -> Void
  ) {
    guard count > 0 else { return }
    let source = start
    if storage.isWritable() {
      body(source, source)
      return
    }
    let old = self
    self = Tensor(uninitialized: shape) { target in
      if let to = target.baseAddress { body(source, to) }
      withExtendedLifetime(old.storage) {}
    }
  }

  private mutating func makeUnique() {
    if storage.isWritable() { return }
    self = withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        to.update(from: from, count: source.count)
      }
    }
  }

  /// The elements in row-major order, copied.
  public var elements: [Element] { withUnsafeElements { Array($0) } }
}

extension Tensor: Equatable {
  /// Whether shapes and all elements are equal (so a NaN makes tensors differ).
  public static func == (left: Tensor, right: Tensor) -> Bool {
    guard left.shape == right.shape else { return false }
    return left.withUnsafeElements { a in
      right.withUnsafeElements { b in a.elementsEqual(b) }
    }
  }
}
