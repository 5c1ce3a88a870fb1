import Checkpoints
import Tensor

/// What becomes of each tensor of a model, in execution order.
struct TensorRoles {
  enum Kind {
    /// Packed by this scheme.
    case quantized(WeightScheme)
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
    _ catalog: any TensorCatalog
  ) throws(QuantizationError) {
    let linear = Set(plan.linearLayers)
    let embeddings = Set(plan.embeddingLayers)
    for name in plan.tensorNames {
      guard let source = catalog.describe(name) else {
        throw .missingLayer(name, path: catalog.path)
      }
      let layer = name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
      let scheme =
        linear.contains(layer)
        ? configuration.scheme
        : embeddings.contains(layer) ? configuration.embeddingScheme : nil
      if let scheme, name.hasSuffix(".weight") {
        guard source.shape.rank == 2 else {
          throw .invalidTensor(
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
      case .quantized(let scheme):
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
