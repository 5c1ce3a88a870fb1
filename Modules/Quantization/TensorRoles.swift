import Checkpoints
import Tensor

/// What becomes of each tensor of a model, in execution order.
struct TensorRoles {
  enum Kind {
    /// Packed by this scheme.
    case quantized(LayerScheme)
    /// Packed already: the tensors that it becomes. Codes are read when they are written.
    case packed([SafetensorsDeclaration])
    /// Floats that differ from the source's, or that it does not have.
    case changed(Tensor<Float>)
    /// Stored in this floating type.
    case kept(ElementType)
  }

  struct Role {
    /// The layer's name for a quantized matrix, the tensor's for a kept one.
    var name: String
    var kind: Kind
    var source: TensorDescription
  }

  private(set) var roles: [Role] = []

  init(
    _ plan: QuantizationPlan,
    _ configuration: QuantizationConfiguration,
    _ catalog: any TensorCatalog,
    _ blocks: QuantizedBlocks?
  ) throws {
    let linear = Set(plan.linearLayers)
    let embeddings = Set(plan.embeddingLayers)
    for name in plan.tensorNames {
      guard let source = catalog.describe(name) else {
        throw QuantizationError.missingLayer(name, path: catalog.path)
      }
      let layer = name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
      if let value = try blocks?.changed(name) {
        roles.append(Role(name: name, kind: .changed(value), source: source))
        continue
      }
      if linear.contains(layer), name.hasSuffix(".weight"), let matrix = try blocks?.matrix(layer) {
        let tensors = matrix.declarations(named: layer)
        roles.append(Role(name: layer, kind: .packed(tensors), source: source))
        if let grid = try blocks?.inputGrid(layer) {
          let name = layer + QuantizedWeights.inputGridSuffix
          roles.append(Role(name: name, kind: .changed(grid), source: .init(of: grid)))
        }
        continue
      }
      let embedding = configuration.embeddingScheme.map { LayerScheme.uniform($0) }
      let scheme =
        linear.contains(layer)
        ? blocks == nil ? configuration.scheme : nil
        : embeddings.contains(layer) ? embedding : nil
      if let scheme, name.hasSuffix(".weight") {
        guard source.shape.rank == 2 else {
          throw QuantizationError.invalidTensor(
            name,
            path: catalog.path,
            reason: "has the shape \(source.shape), not a matrix"
          )
        }
        roles.append(Role(name: layer, kind: .quantized(scheme), source: source))
      } else {
        roles.append(Role(name: name, kind: .kept(Self.keptType(source)), source: source))
      }
    }
  }

  /// Floating types stay; blocks of low-bit codes become half precision.
  private static func keptType(_ source: TensorDescription) -> ElementType {
    switch source.storage {
    case "F32", "F64": .float32
    case "BF16": .bfloat16
    default: .float16
    }
  }

  /// The tensors that the quantized checkpoint will hold.
  var declarations: [SafetensorsDeclaration] {
    roles.flatMap { role -> [SafetensorsDeclaration] in
      switch role.kind {
      case .kept(let type):
        return [
          SafetensorsDeclaration(
            name: role.name,
            type: SafetensorsType(type),
            shape: role.source.shape
          )
        ]
      case .packed(let tensors): return tensors
      case .changed(let value):
        return [
          SafetensorsDeclaration(
            name: role.name,
            type: SafetensorsType(.float32),
            shape: value.shape
          )
        ]
      case .quantized(.binary(let coding, let scaleType)):
        return BinaryCodedMatrix.declarations(
          of: role.source.shape,
          coding: coding,
          scaleType: scaleType,
          named: role.name
        )
      case .quantized(.uniform(let scheme)):
        return QuantizedMatrix.declarations(
          of: role.source.shape,
          scheme: scheme,
          hasInputOrder: false,
          named: role.name
        )
      }
    }
  }
}

extension TensorDescription {
  /// A tensor of floats that no file holds.
  fileprivate init(of value: Tensor<Float>) {
    self.init(shape: value.shape, storage: "F32", byteCount: 0)
  }
}
