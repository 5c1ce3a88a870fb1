public import Tensor

/// A tensor of any element type with its name, ready to be written.
public struct SafetensorsItem: Sendable {
  /// The name, type and extents.
  public let declaration: SafetensorsDeclaration
  private let write: @Sendable (SafetensorsWriter) throws(CheckpointError) -> Void

  /// A tensor under a name.
  public init<Element: TensorElement>(_ name: String, _ tensor: Tensor<Element>) {
    declaration = SafetensorsDeclaration(
      name: name,
      type: SafetensorsType(Element.elementType),
      shape: tensor.shape
    )
    write = { (writer) throws(CheckpointError) in try writer.write(tensor, named: name) }
  }

  fileprivate func write(with writer: SafetensorsWriter) throws(CheckpointError) {
    try write(writer)
  }
}

extension SafetensorsFile {
  /// Writes tensors that are in memory to a file, which appears complete or not at all.
  ///
  /// - Throws: What `SafetensorsWriter` throws.
  public static func write(
    _ items: [SafetensorsItem],
    metadata: [String: String] = [:],
    to path: String
  ) throws(CheckpointError) {
    let writer = try SafetensorsWriter(
      path: path,
      tensors: items.map(\.declaration),
      metadata: metadata
    )
    for item in items { try item.write(with: writer) }
    try writer.finish()
  }

  /// Writes float tensors that are in memory to a file, which appears complete or not at all.
  ///
  /// - Throws: What `SafetensorsWriter` throws.
  public static func write(
    _ tensors: [String: Tensor<Float>],
    metadata: [String: String] = [:],
    to path: String
  ) throws(CheckpointError) {
    try write(tensors.map { SafetensorsItem($0.key, $0.value) }, metadata: metadata, to: path)
  }
}
