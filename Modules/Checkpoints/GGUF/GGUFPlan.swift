public import Tensor

/// A GGUF file that is to be made of the tensors of a catalog: what a model says about itself in the
/// format, and which of its tensors lie where.
public struct GGUFPlan: Sendable {
  /// A tensor of the file.
  public struct Item: Sendable {
    /// What a tensor is to the model.
    public enum Role: Sendable {
      /// A matrix of a linear layer.
      case linear
      /// The embedding, or the head's own matrix.
      case embedding
      /// Everything else: norms, biases, tables of positions. Stored as binary32.
      case other
    }

    /// A tensor of the catalog.
    public struct Part: Hashable, Sendable {
      /// The name in the catalog.
      public var name: String
      /// The extents.
      public var shape: Shape

      /// A tensor of the catalog.
      public init(name: String, shape: Shape) {
        self.name = name
        self.shape = shape
      }
    }

    /// The name in the file.
    public var name: String
    /// The extents in the file, outermost first.
    public var shape: Shape
    /// What the tensor is to the model.
    public var role: Role
    /// The tensors of the catalog that lie below each other in it.
    public var parts: [Part]
    /// Which row of the joined parts each row is; nil for their own order.
    public var rowOrder: [Int32]?
    /// What is added to every number.
    public var offset: Float
    /// The numbers themselves, where no tensor of the catalog holds them.
    public var values: [Float]?

    /// A tensor of the file.
    public init(
      name: String,
      shape: Shape,
      role: Role,
      parts: [Part],
      rowOrder: [Int32]? = nil,
      offset: Float = 0,
      values: [Float]? = nil
    ) {
      self.name = name
      self.shape = shape
      self.role = role
      self.parts = parts
      self.rowOrder = rowOrder
      self.offset = offset
      self.values = values
    }
  }

  /// Keys and values in the order of the file, without `general.file_type`.
  public var metadata: [(key: String, value: GGUFField)]
  /// The tensors in the order of the file.
  public var items: [Item]

  /// A plan.
  public init(metadata: [(key: String, value: GGUFField)], items: [Item]) {
    self.metadata = metadata
    self.items = items
  }
}
