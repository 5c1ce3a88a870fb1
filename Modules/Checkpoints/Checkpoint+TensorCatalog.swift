public import Tensor

extension Checkpoint: TensorCatalog {
  /// The names of all tensors.
  public var tensorNames: [String] { names }

  /// What is stored under a name; nil if nothing is, or if it has too many axes to be a tensor
  /// here.
  public func describe(_ name: String) -> TensorDescription? {
    guard let entry = self[name], let shape = entry.shape else { return nil }
    return TensorDescription(
      shape: shape,
      storage: entry.type.rawValue,
      byteCount: entry.byteRange.count
    )
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
    guard entry.type.elementType == Element.elementType else {
      throw .inconvertible(
        path: path,
        name: name,
        from: entry.type.rawValue,
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
    default: .float32(try tensor(named: name))
    }
  }
}
