public import Checkpoints
import Tensor

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// What a checkpoint's tensors mean to a quantizer.
///
/// The model says this; the quantizer needs to know nothing else about it.
public struct QuantizationPlan: Sendable {
  /// All tensors that the model consists of, in execution order.
  public var tensorNames: [String]
  /// The linear layers inside the blocks, without ".weight".
  public var linearLayers: [String]
  /// The embedding and, where it has its own matrix, the head, without ".weight".
  public var embeddingLayers: [String]
  /// The object in the model's config.json.
  public var configurationDocument: JSONObject
  /// The files that lie beside the tensors: tokenizer.json and its like.
  public var documents: [String: Data]

  /// A plan for a model.
  public init(
    tensorNames: [String],
    linearLayers: [String],
    embeddingLayers: [String],
    configurationDocument: JSONObject,
    documents: [String: Data]
  ) {
    self.tensorNames = tensorNames
    self.linearLayers = linearLayers
    self.embeddingLayers = embeddingLayers
    self.configurationDocument = configurationDocument
    self.documents = documents
  }
}

/// Quantizes a checkpoint tensor by tensor into a model folder.
///
/// One layer is in memory at a time, so the model may be larger than memory. The folder appears
/// complete or not at all. Matrices that are not quantized keep their storage; where the source
/// holds them in blocks (GGUF), they become half precision.
public struct CheckpointQuantizer {
  /// What is being done.
  public struct Progress: Sendable {
    /// The tensors finished so far.
    public var finished: Int
    /// All tensors.
    public var total: Int
    /// The tensor that comes next; nil at the end.
    public var current: String?
    /// The layer that was just quantized.
    public var layer: QuantizationReport.Layer?
  }

  /// How weights are quantized.
  public let configuration: QuantizationConfiguration

  /// A quantizer.
  public init(_ configuration: QuantizationConfiguration) { self.configuration = configuration }

  /// Quantizes the tensors of `catalog` into a new folder.
  ///
  /// - Parameters:
  ///   - catalog: the full-precision tensors.
  ///   - plan: what they mean.
  ///   - blocks: the layers of the blocks, where they were quantized before; methods that need
  ///     calibration inputs make them with `BlockQuantizer`.
  ///   - folder: where the model goes; must not exist, or be an empty folder, unless `replacing`.
  ///   - replacing: whether an existing folder is replaced, once the new one is complete.
  ///   - progress: called before and after each tensor; return false to stop, which leaves nothing.
  /// - Returns: what was done.
  /// - Throws: `QuantizationError`, `CheckpointError`.
  @discardableResult
  public func run(
    _ catalog: any TensorCatalog,
    plan: QuantizationPlan,
    blocks: QuantizedBlocks? = nil,
    to folder: URL,
    replacing: Bool = false,
    progress: (Progress) -> Bool = { _ in true }
  ) throws -> QuantizationReport {
    try checkMethod(hasBlocks: blocks != nil)
    var configuration = configuration
    for name in blocks?.layerNames ?? [] {
      guard let scheme = blocks?.scheme(of: name), .uniform(scheme) != configuration.scheme else {
        continue
      }
      configuration.layerSchemes[name] = scheme
    }
    let roles = try TensorRoles(plan, configuration, catalog, blocks)
    let target = try AtomicFolder(path: folder.path(percentEncoded: false), replacing: replacing)
    for (name, data) in plan.documents { try AtomicFile.write(data, to: target.file(name)) }
    var document = plan.configurationDocument
    document[QuantizationConfiguration.key] = .object(configuration.document)
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file("config.json")
    )

    let writer = try SafetensorsWriter(
      path: target.file("model.safetensors"),
      tensors: roles.declarations,
      metadata: ["format": "pt"]
    )
    var report = QuantizationReport(configuration: configuration)
    for (index, role) in roles.roles.enumerated() {
      let state = Progress(
        finished: index,
        total: roles.roles.count,
        current: role.name,
        layer: report.layers.last
      )
      guard progress(state) else { throw QuantizationError.cancelled }
      try write(role, from: catalog, blocks, to: writer, &report)
    }
    try writer.finish()
    try target.commit()
    let count = roles.roles.count
    _ = progress(
      Progress(finished: count, total: count, current: nil, layer: report.layers.last)
    )
    return report
  }

  /// Writes one tensor, or the parts of one layer, and reports it.
  private func write(
    _ role: TensorRoles.Role,
    from catalog: any TensorCatalog,
    _ blocks: QuantizedBlocks?,
    to writer: SafetensorsWriter,
    _ report: inout QuantizationReport
  ) throws {
    switch role.kind {
    case .quantized(let scheme):
      report.layers.append(try write(role, scheme, from: catalog, to: writer))
    case .packed:
      guard let matrix = try blocks?.matrix(role.name) else {
        throw QuantizationError.missingLayer(role.name, path: catalog.path)
      }
      try matrix.write(to: writer, named: role.name)
      report.layers.append(QuantizationReport.Layer(matrix, role, blocks?.report(of: role.name)))
    case .changed(let value):
      try writer.write(value, named: role.name)
      report.kept.append(
        QuantizationReport.Kept(
          name: role.name,
          shape: value.shape,
          storage: SafetensorsType(.float32).rawValue,
          byteCount: value.count * 4,
          sourceByteCount: role.source.byteCount
        )
      )
    case .kept(let type):
      report.kept.append(try write(role, type, from: catalog, to: writer))
    }
  }

  private func checkMethod(hasBlocks: Bool) throws(QuantizationError) {
    let method = configuration.method
    guard (method == .binaryCoding) == (configuration.scheme.weightScheme == nil) else {
      throw .invalidScheme("the method '\(method.rawValue)' does not make codes of that scheme")
    }
    if method == .binaryCoding {
      guard !hasBlocks, configuration.activations == nil else {
        throw .invalidScheme(
          "the method 'bcq' looks at weights alone; leave blocks and activations out"
        )
      }
    } else if !hasBlocks, method != .roundToNearest {
      throw .invalidScheme(
        "the method '\(method.rawValue)' needs calibration inputs, which a checkpoint "
          + "alone does not have; choose rtn or bcq"
      )
    }
  }

  private func write(
    _ role: TensorRoles.Role,
    _ scheme: LayerScheme,
    from catalog: any TensorCatalog,
    to writer: SafetensorsWriter
  ) throws -> QuantizationReport.Layer {
    let start = ContinuousClock.now
    let weight = try catalog.floats(role.name + ".weight")
    let (error, byteCount): (Double, Int)
    let (rounded, scales): (Tensor<Float>, Tensor<Float>)
    switch scheme {
    case .uniform(let scheme):
      let found = try RoundToNearest(scheme).quantize(weight, layer: role.name)
      try found.matrix.write(to: writer, named: role.name)
      (error, byteCount) = (found.meanSquaredError, found.matrix.byteCount)
      (rounded, scales) = (found.matrix.dequantized(), found.matrix.stepSizes)
    case .binary(let coding, let scaleType):
      let matrix = try coding.quantize(weight, layer: role.name)
        .converted(to: scaleType, layer: role.name)
      try matrix.write(to: writer, named: role.name)
      (error, byteCount) = (matrix.meanSquaredError(from: weight), matrix.byteCount)
      (rounded, scales) = (matrix.dequantized(), matrix.scales)
    }
    let power = (weight * weight).mean()
    return QuantizationReport.Layer(
      name: role.name,
      shape: weight.shape,
      scheme: scheme,
      meanSquaredError: error,
      relativeError: power > 0 ? error / Double(power) : 0,
      byteCount: byteCount,
      sourceByteCount: role.source.byteCount,
      seconds: (ContinuousClock.now - start).seconds,
      stepSizes: StepSizeStatistics(scales),
      histogram: WeightHistogram(weight, rounded)
    )
  }

  private func write(
    _ role: TensorRoles.Role,
    _ type: ElementType,
    from catalog: any TensorCatalog,
    to writer: SafetensorsWriter
  ) throws -> QuantizationReport.Kept {
    func write<Element: TensorElement>(_ tensor: Tensor<Element>, isFinite: Bool) throws {
      guard isFinite else {
        throw QuantizationError.invalidTensor(
          role.name,
          path: catalog.path,
          reason: "holds a number that is not finite"
        )
      }
      try writer.write(tensor, named: role.name)
    }
    switch type {
    case .float16 where role.source.storage == "F16":
      let values: Tensor<Float16> = try catalog.tensor(role.name, as: Float16.self)
      try write(values, isFinite: values.withUnsafeElements { $0.allSatisfy { $0.isFinite } })
    case .float16:
      let values = try catalog.floats(role.name)
      try write(Tensor<Float16>(converting: values), isFinite: values.allFinite)
    case .bfloat16:
      let values: Tensor<BFloat16> = try catalog.tensor(role.name, as: BFloat16.self)
      try write(values, isFinite: Tensor<Float>(converting: values).allFinite)
    default:
      let values = try catalog.floats(role.name)
      try write(values, isFinite: values.allFinite)
    }
    return QuantizationReport.Kept(
      name: role.name,
      shape: role.source.shape,
      storage: SafetensorsType(type).rawValue,
      byteCount: role.source.shape.count * type.byteCount,
      sourceByteCount: role.source.byteCount
    )
  }
}

extension QuantizationReport.Layer {
  /// A layer that was quantized before.
  fileprivate init(
    _ matrix: QuantizedMatrix,
    _ role: TensorRoles.Role,
    _ report: BlockReport.Layer?
  ) {
    self.init(
      name: role.name,
      shape: role.source.shape,
      scheme: .uniform(matrix.scheme),
      meanSquaredError: report?.meanSquaredError ?? 0,
      relativeError: report?.relativeError ?? 0,
      byteCount: matrix.byteCount,
      sourceByteCount: role.source.byteCount,
      seconds: report?.seconds ?? 0,
      stepSizes: report?.stepSizes,
      histogram: report?.histogram
    )
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
