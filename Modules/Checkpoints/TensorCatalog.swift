public import Tensor

/// A stored tensor: its shape, how it is stored, and its size in the file.
public struct TensorDescription: Codable, Hashable, Sendable {
  /// The extents, outermost first.
  public var shape: Shape
  /// The storage as its format names it, such as `F32`, `BF16` or `Q4_1`.
  public var storage: String
  /// Bytes in the file.
  public var byteCount: Int

  /// A description of a stored tensor.
  public init(shape: Shape, storage: String, byteCount: Int) {
    self.shape = shape
    self.storage = storage
    self.byteCount = byteCount
  }
}

/// Named tensors on disk that are read when they are asked for.
///
/// A safetensors folder is one, and so is a GGUF file seen under another format's names.
public protocol TensorCatalog {
  /// The file or folder, for messages.
  var path: String { get }
  /// All names, in the order in which they lie on disk.
  var tensorNames: [String] { get }
  /// What is stored under a name; nil if nothing is.
  func describe(_ name: String) -> TensorDescription?
  /// A tensor as floats: a view of the file where it is stored so, otherwise a converted copy.
  func floats(_ name: String) throws(CheckpointError) -> Tensor<Float>
  /// A tensor of exactly the element type that it is stored in: a view of the file.
  func tensor<Element: TensorElement>(
    _ name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element>
  /// A matrix in its own floating storage where it has one (a view of the file), otherwise as
  /// floats.
  func weightMatrix(_ name: String) throws(CheckpointError) -> WeightMatrix
  /// A matrix straight from low-bit blocks, its rows in the given order; nil where it is stored
  /// otherwise, which is the default.
  func interleavedMatrix(
    _ name: String,
    rowOrder: [Int32]?
  ) throws(CheckpointError) -> InterleavedMatrix?
}

extension TensorCatalog {
  /// Nothing.
  public func interleavedMatrix(
    _ name: String,
    rowOrder: [Int32]?
  ) throws(CheckpointError) -> InterleavedMatrix? { nil }
}
