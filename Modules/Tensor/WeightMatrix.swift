import CKernels

/// A frozen weight matrix [N × K] in the storage it came in: half of the bytes stay half.
///
/// Products convert while they read, so a memory-mapped bfloat16 checkpoint needs no float copy.
public enum WeightMatrix: Sendable {
  /// binary32.
  case float32(Tensor<Float>)
  /// binary16.
  case float16(Tensor<Float16>)
  /// The upper half of a binary32.
  case bfloat16(Tensor<BFloat16>)

  /// [N × K].
  public var shape: Shape {
    switch self {
    case .float32(let tensor): tensor.shape
    case .float16(let tensor): tensor.shape
    case .bfloat16(let tensor): tensor.shape
    }
  }

  /// N, the outputs.
  public var rowCount: Int { shape[0] }
  /// K, the inputs.
  public var columnCount: Int { shape[1] }

  /// How the elements are stored.
  public var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    }
  }

  /// The matrix as floats; no copy if it is stored so.
  public func floats() -> Tensor<Float> {
    switch self {
    case .float32(let tensor): tensor
    case .float16(let tensor): Tensor(converting: tensor)
    case .bfloat16(let tensor): Tensor(converting: tensor)
    }
  }

  /// x Wᵀ + bias.
  ///
  /// - Shapes: x [… × K], bias [N] or nil, result [… × N].
  public func product(with input: Tensor<Float>, bias: Tensor<Float>? = nil) -> Tensor<Float> {
    withUnsafeRows { rows in rows.product(with: input, bias: bias) }
  }

  /// gradient · W, what flows back through `product(with:bias:)` to its input.
  ///
  /// - Shapes: gradient [… × N], result [… × K].
  public func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    withUnsafeRows { rows in rows.inputGradient(gradient) }
  }

  /// The rows `indices` as floats.
  ///
  /// - Shapes: result [indices.count × K].
  public func rows(_ indices: [Int32]) -> Tensor<Float> {
    withUnsafeRows { rows in rows.expanded(indices) }
  }

  private func withUnsafeRows<Result>(_ body: (ck_rows) -> Result) -> Result {
    switch self {
    case .float32(let tensor): tensor.withRows(CK_FLOAT32, body)
    case .float16(let tensor): tensor.withRows(CK_FLOAT16, body)
    case .bfloat16(let tensor): tensor.withRows(CK_BFLOAT16, body)
    }
  }
}

extension Tensor {
  fileprivate func withRows<Result>(
    _ storage: ck_storage,
    _ body: (ck_rows) -> Result
  ) -> Result {
    expect(rank == 2, "weight matrix: a matrix is needed, found \(shape)")
    return withUnsafeElements { elements in
      var rows = ck_rows()
      rows.storage = storage
      rows.row_count = shape[0]
      rows.column_count = shape[1]
      rows.data = UnsafeRawPointer(elements.baseAddress)
      rows.row_stride = shape[1]
      return body(rows)
    }
  }
}
