public import Tensor

extension SafetensorsFile {
  /// A tensor with elements of the wanted type.
  ///
  /// Stored numbers of that type are not copied when they are aligned: the tensor views the file.
  /// Otherwise they are converted: every real type becomes `Float` (rounded to nearest) or
  /// `Double`, every integer type `Int32` or `Int64` if all values fit.
  ///
  /// - Throws: `CheckpointError.missingTensor` with the nearest names, `.unsupportedType`,
  ///   `.inconvertible`, or `.malformed` when a value or the rank does not fit.
  public func tensor<Element: TensorElement>(
    named name: String,
    as type: Element.Type = Float.self
  ) throws(CheckpointError) -> Tensor<Element> {
    let entry = try entry(named: name)
    return try StoredNumbers(entry, file).tensor(as: type)
  }

  /// A tensor that must have a shape.
  ///
  /// - Throws: `CheckpointError.shapeMismatch`, and what `tensor(named:as:)` throws.
  public func tensor<Element: TensorElement>(
    named name: String,
    shape: Shape,
    as type: Element.Type = Float.self
  ) throws(CheckpointError) -> Tensor<Element> {
    let entry = try entry(named: name)
    guard entry.extents == shape.extents else {
      throw .shapeMismatch(
        path: path,
        name: name,
        expected: shape.extents,
        found: entry.extents
      )
    }
    return try StoredNumbers(entry, file).tensor(as: type)
  }
}

/// The checked bytes of one tensor, on their way into a `Tensor`.
struct StoredNumbers {
  let name: String
  let type: SafetensorsType
  let extents: [Int]
  let bytes: UnsafeRawBufferPointer
  let file: MappedFile

  init(_ entry: SafetensorsEntry, _ file: MappedFile) {
    self.init(entry.name, entry.type, entry.extents, entry.byteRange, file)
  }

  init(
    _ name: String,
    _ type: SafetensorsType,
    _ extents: [Int],
    _ range: Range<Int>,
    _ file: MappedFile
  ) {
    self.name = name
    self.type = type
    self.extents = extents
    self.file = file
    bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
  }

  func tensor<Element: TensorElement>(
    as target: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    let shape = try checkedShape()
    if type.elementType == Element.elementType { return try stored(shape, as: target) }
    switch (type, Element.elementType) {
    case (.float16, .float32):
      return try same(Tensor<Float>(converting: try stored(shape, as: Float16.self)))
    case (.bfloat16, .float32):
      return try same(Tensor<Float>(converting: try stored(shape, as: BFloat16.self)))
    default:
      return try Tensor(uninitialized: shape) { (elements) throws(CheckpointError) in
        try convert(into: UnsafeMutableRawBufferPointer(elements), as: Element.elementType)
      }
    }
  }

  /// The extents as a shape that no later arithmetic can overflow.
  private func checkedShape() throws(CheckpointError) -> Shape {
    guard extents.count <= Shape.maximumRank else {
      throw fault("rank \(extents.count), at most \(Shape.maximumRank) is supported")
    }
    // Products that leave out a zero extent appear in strides: they must not overflow either.
    guard let shape = Shape(validating: extents) else {
      throw fault("the extents \(extents) overflow")
    }
    return shape
  }

  /// The bytes as they are: a view when they are aligned, a copy when they are not.
  private func stored<Element: TensorElement>(
    _ shape: Shape,
    as target: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    if Element.elementType == .bool, let index = bytes.firstIndex(where: { $0 > 1 }) {
      throw fault("element \(index) is \(bytes[index]), a truth value is 0 or 1")
    }
    if let base = bytes.baseAddress, bytes.count > 0,
      Int(bitPattern: base) % MemoryLayout<Element>.alignment == 0
    {
      return Tensor(viewing: base, shape: shape, owner: file)
    }
    return Tensor(uninitialized: shape) {
      UnsafeMutableRawBufferPointer($0).copyMemory(from: bytes)
    }
  }

  private func same<Element: TensorElement, Other: TensorElement>(
    _ tensor: Tensor<Other>
  ) throws(CheckpointError) -> Tensor<Element> {
    guard let tensor = tensor as? Tensor<Element> else { throw inconvertible(Element.elementType) }
    return tensor
  }

  func inconvertible(_ target: ElementType) -> CheckpointError {
    .inconvertible(path: file.path, name: name, from: type.rawValue, to: target.rawValue)
  }

  func fault(_ reason: String) -> CheckpointError {
    .malformed(path: file.path, tensor: name, offset: nil, reason: reason)
  }
}
