import Autograd
public import Checkpoints
import Tensor

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// The model folder with other scales: a complete quantized model that knows nothing of adapters.
extension ScaleTunedLayers {
  /// Writes a quantized model folder anew with the scales of now.
  ///
  /// Every other tensor is copied as it is stored, so that with scales in single precision the new
  /// model computes the bits of this one.
  ///
  /// - Parameters:
  ///   - catalog: the tensors of the folder that the model was built from.
  ///   - configuration: what that folder says about its codes.
  ///   - plan: the documents beside the tensors.
  ///   - folder: where the model goes; must not exist, or be empty, unless `replacing`.
  ///   - type: how scales are stored; half precision rounds them by up to 2⁻¹¹.
  ///   - replacing: whether an existing folder is replaced, once the new one is complete.
  /// - Throws: `ScaleAdapterError.inapplicable` for layers that the folder does not hold, and for
  ///   scales that half precision cannot hold; `CheckpointError`.
  public func writeModel(
    from catalog: any TensorCatalog,
    configuration: QuantizationConfiguration,
    plan: QuantizationPlan,
    to folder: URL,
    as type: ScaleType = .float32,
    replacing: Bool = false
  ) throws {
    let scales = try storedScales(catalog, as: type)
    let target = try AtomicFolder(path: folder.path(percentEncoded: false), replacing: replacing)
    for (name, data) in plan.documents { try AtomicFile.write(data, to: target.file(name)) }
    var document = plan.configurationDocument
    document[QuantizationConfiguration.key] =
      .object(try configuration.storingScales(as: type).document)
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file("config.json")
    )
    let copies = try catalog.tensorNames.map { name in
      try StoredCopy(name, in: catalog, scales: scales[name], as: type)
    }
    let writer = try SafetensorsWriter(
      path: target.file("model.safetensors"),
      tensors: copies.map(\.declaration),
      metadata: ["format": "pt"]
    )
    for copy in copies { try copy.write(from: catalog, to: writer) }
    try writer.finish()
    try target.commit()
  }

  /// The scales of now by the names of their tensors.
  private func storedScales(
    _ catalog: any TensorCatalog,
    as type: ScaleType
  ) throws(ScaleAdapterError) -> [String: Tensor<Float>] {
    var scales: [String: Tensor<Float>] = [:]
    for entry in entries {
      let (suffix, values) = entry.stored
      let name = entry.name + suffix
      guard catalog.describe(name)?.shape == values.shape else {
        throw .inapplicable(reason: "\(catalog.path) holds no '\(name)' of \(values.shape)")
      }
      let halves = Tensor<Float16>(converting: values)
      guard type == .float32 || Tensor<Float>(converting: halves).allFinite else {
        throw .inapplicable(
          reason: "a scale of '\(entry.name)' does not fit half precision; store float32"
        )
      }
      scales[name] = values
    }
    return scales
  }
}

extension ScaleTunedLayers.Entry {
  /// The end of the name of the tensor of scales, and all of them as the folder has them.
  fileprivate var stored: (suffix: String, scales: Tensor<Float>) {
    if let layer = layer as? AlphaTuningLinear {
      return (BinaryCodedMatrix.scalesSuffix, layer.weight.scales)
    }
    return (QuantizedWeights.scalesSuffix, layer.scales.value)
  }
}

/// A tensor of a model folder on its way into another.
private struct StoredCopy {
  let declaration: SafetensorsDeclaration
  private let type: ElementType
  private let scales: Tensor<Float>?

  init(
    _ name: String,
    in catalog: any TensorCatalog,
    scales: Tensor<Float>?,
    as scaleType: ScaleType
  ) throws(QuantizationError) {
    self.scales = scales
    let source = catalog.describe(name)
    let stored = source.flatMap { SafetensorsType(rawValue: $0.storage)?.elementType }
    guard let source, let stored else {
      throw .invalidTensor(
        name,
        path: catalog.path,
        reason: "is stored as \(source?.storage ?? "nothing"), which is not copied"
      )
    }
    type = scales == nil ? stored : scaleType == .float16 ? .float16 : .float32
    declaration = SafetensorsDeclaration(
      name: name,
      type: SafetensorsType(type),
      shape: scales?.shape ?? source.shape
    )
  }

  func write(from catalog: any TensorCatalog, to writer: SafetensorsWriter) throws {
    func copy<Element: TensorElement>(_ type: Element.Type) throws {
      try writer.write(catalog.tensor(declaration.name, as: type), named: declaration.name)
    }
    if let scales {
      switch type {
      case .float16:
        try writer.write(Tensor<Float16>(converting: scales), named: declaration.name)
      default: try writer.write(scales, named: declaration.name)
      }
      return
    }
    switch type {
    case .float32: try copy(Float.self)
    case .float16: try copy(Float16.self)
    case .bfloat16: try copy(BFloat16.self)
    case .float64: try copy(Double.self)
    case .int64: try copy(Int64.self)
    case .int32: try copy(Int32.self)
    case .uint8: try copy(UInt8.self)
    case .int8: try copy(Int8.self)
    case .bool: try copy(Bool.self)
    }
  }
}

extension QuantizationConfiguration {
  /// The same configuration with another storage of the scales inside the blocks.
  func storingScales(as type: ScaleType) throws(QuantizationError) -> QuantizationConfiguration {
    var changed = self
    changed.scheme = try scheme.storingScales(as: type)
    for (layer, scheme) in layerSchemes {
      changed.layerSchemes[layer] = try scheme.storingScales(as: type)
    }
    return changed
  }
}

extension LayerScheme {
  fileprivate func storingScales(as type: ScaleType) throws(QuantizationError) -> LayerScheme {
    switch self {
    case .uniform(let scheme): .uniform(try scheme.storingScales(as: type))
    case .binary(let coding, _): .binary(coding, scaleType: type)
    }
  }
}

extension WeightScheme {
  fileprivate func storingScales(as type: ScaleType) throws(QuantizationError) -> WeightScheme {
    try WeightScheme(grid: grid, granularity: granularity, range: range, scaleType: type)
  }
}
