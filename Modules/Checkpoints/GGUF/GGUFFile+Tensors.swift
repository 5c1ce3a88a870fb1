public import Tensor

extension GGUFFile {
  /// A tensor of floats.
  ///
  /// F32 is not copied: the tensor views the file. All other types are converted or dequantized, in
  /// parallel, to the very bits that ggml's reference gives.
  ///
  /// - Throws: `CheckpointError.missingTensor` with the nearest names.
  public func tensor(named name: String) throws(CheckpointError) -> Tensor<Float> {
    try tensor(named: name, as: Float.self)
  }

  /// A tensor of floats that must have a shape.
  ///
  /// - Throws: `CheckpointError.missingTensor` or `.shapeMismatch`.
  public func tensor(
    named name: String,
    shape: Shape
  ) throws(CheckpointError) -> Tensor<Float> {
    let entry = try entry(named: name)
    guard entry.extents == shape.extents else {
      throw .shapeMismatch(path: path, name: name, expected: shape.extents, found: entry.extents)
    }
    return try tensor(named: name, as: Float.self)
  }

  /// A tensor with elements of the wanted type: a view of the file where it is stored so.
  ///
  /// - Throws: `CheckpointError.missingTensor`, or `.inconvertible` for quantized types as anything
  ///   but `Float`.
  public func tensor<Element: TensorElement>(
    named name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    let entry = try entry(named: name)
    if let plain = entry.type.plain {
      return try StoredNumbers(entry.name, plain, entry.extents, entry.byteRange, file)
        .tensor(as: type)
    }
    guard let tensor = dequantized(entry) as? Tensor<Element> else {
      throw .inconvertible(
        path: path,
        name: name,
        from: entry.type.name,
        to: Element.elementType.rawValue
      )
    }
    return tensor
  }

  private func dequantized(_ entry: GGUFEntry) -> Tensor<Float> {
    defer { withExtendedLifetime(file) {} }
    return Tensor(uninitialized: Shape(entry.extents)) { target in
      entry.type.dequantize(UnsafeRawBufferPointer(rebasing: file.bytes[entry.byteRange]), target)
    }
  }
}

extension GGUFFile: TensorCatalog {
  /// The names of all tensors.
  public var tensorNames: [String] { names }

  /// What is stored under a name; nil if nothing is.
  public func describe(_ name: String) -> TensorDescription? {
    self[name].map { entry in
      TensorDescription(
        shape: Shape(entry.extents),
        storage: entry.type.name,
        byteCount: entry.byteRange.count
      )
    }
  }

  /// A tensor as floats.
  public func floats(_ name: String) throws(CheckpointError) -> Tensor<Float> {
    try tensor(named: name)
  }

  /// A tensor of the element type that it is stored in.
  public func tensor<Element: TensorElement>(
    _ name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    let entry = try entry(named: name)
    guard entry.type.plain?.elementType == Element.elementType else {
      throw .inconvertible(
        path: path,
        name: name,
        from: entry.type.name,
        to: Element.elementType.rawValue
      )
    }
    return try tensor(named: name, as: type)
  }

  /// A matrix in its own floating storage.
  public func weightMatrix(_ name: String) throws(CheckpointError) -> WeightMatrix {
    let entry = try entry(named: name)
    guard entry.extents.count == 2 else {
      throw .malformed(
        path: path,
        tensor: name,
        offset: nil,
        reason: "a matrix is needed, found the shape \(entry.extents)"
      )
    }
    return switch entry.type {
    case .float16: .float16(try tensor(named: name, as: Float16.self))
    case .bfloat16: .bfloat16(try tensor(named: name, as: BFloat16.self))
    case .float32, .float64, .int8, .int16, .int32, .int64, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0,
      .q2_K, .q3_K, .q4_K, .q5_K, .q6_K:
      .float32(try tensor(named: name))
    }
  }
}
