import Autograd
public import Checkpoints
public import Tensor

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Writes a quantized model as a folder that other tools load: GPTQ, AWQ or compressed-tensors.
///
/// Codes, zero points and step sizes of the linear layers stay as they are. These formats hold linear
/// layers alone: the embedding and the head become half-precision numbers, as norms and biases do.
/// All layers are checked before anything is written.
public struct PackedFolderExporter {
  /// The format.
  public let format: PackedFolderConfiguration.Format
  private let half: HalfPrecision

  /// An exporter.
  public init(
    _ format: PackedFolderConfiguration.Format,
    stepSizes: StepSizeRounding = .refused
  ) {
    self.format = format
    half = HalfPrecision(format: format.rawValue, rounding: stepSizes)
  }

  /// Writes the model into a folder that appears complete or not at all.
  ///
  /// - Parameters:
  ///   - catalog: the tensors.
  ///   - plan: what they mean.
  ///   - shapes: the extents of the tensors that are packed, by the names in the plan.
  ///   - packed: the packed layers.
  ///   - folder: where the model goes; must not exist, or be an empty folder, unless `replacing`.
  ///   - replacing: whether an existing folder is replaced.
  ///   - progress: called before each tensor and at the end; return false to stop.
  /// - Returns: what was written.
  /// - Throws: `QuantizationError.inexportable` before anything is written; `CheckpointError`.
  @discardableResult
  public func run(
    _ catalog: any TensorCatalog,
    plan: QuantizationPlan,
    shapes: [String: Shape],
    packed: any QuantizedWeightSource,
    to folder: URL,
    replacing: Bool = false,
    progress: (ExportProgress) -> Bool = { _ in true }
  ) throws -> ExportReport {
    let source = PackedSource(
      catalog: catalog,
      packed: packed,
      shapes: shapes,
      plan: plan,
      format: format
    )
    let (configuration, losses) = try survey(source)
    let target = try AtomicFolder(path: folder.path(percentEncoded: false), replacing: replacing)
    try writeDocuments(plan, configuration, to: target)
    let writer = try SafetensorsWriter(
      path: target.file("model.safetensors"),
      tensors: try plan.tensorNames.flatMap { try declarations($0, source, configuration) },
      metadata: ["format": "pt"]
    )
    var report = ExportReport(format: Self.name(configuration))
    for (index, name) in plan.tensorNames.enumerated() {
      let total = plan.tensorNames.count
      guard progress(ExportProgress(finished: index, total: total, current: name)) else {
        throw QuantizationError.cancelled
      }
      var entry = try write(name, source, configuration, to: writer)
      entry.loss = losses[name] ?? entry.loss
      report.entries.append(entry)
    }
    try writer.finish()
    try target.commit()
    let count = plan.tensorNames.count
    _ = progress(ExportProgress(finished: count, total: count, current: nil))
    return report
  }

  private static func name(_ configuration: PackedFolderConfiguration) -> String {
    let isSecond = configuration.format == .gptq && configuration.gptqVersion == .two
    return configuration.format.rawValue + (isSecond ? "_v2" : "")
  }

  private func writeDocuments(
    _ plan: QuantizationPlan,
    _ configuration: PackedFolderConfiguration,
    to target: AtomicFolder
  ) throws {
    for (name, data) in plan.documents { try AtomicFile.write(data, to: target.file(name)) }
    let settings = JSONValue.object(configuration.document)
    var document = plan.configurationDocument
    document[QuantizationConfiguration.key] = settings
    for key in ["torch_dtype", "dtype"] where document[key] != nil || key == "torch_dtype" {
      document[key] = "float16"
    }
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file("config.json")
    )
    guard format == .gptq else { return }
    try AtomicFile.write(
      settings.serialized(pretty: true) + "\n",
      to: target.file("quantize_config.json")
    )
  }
}

/// The tensors of a model by the names in its plan.
private struct PackedSource {
  let catalog: any TensorCatalog
  let packed: any QuantizedWeightSource
  let shapes: [String: Shape]
  let linear: Set<String>
  let plan: QuantizationPlan
  let format: PackedFolderConfiguration.Format

  init(
    catalog: any TensorCatalog,
    packed: any QuantizedWeightSource,
    shapes: [String: Shape],
    plan: QuantizationPlan,
    format: PackedFolderConfiguration.Format
  ) {
    (self.catalog, self.packed, self.shapes, self.plan) = (catalog, packed, shapes, plan)
    self.format = format
    linear = Set(plan.linearLayers)
  }

  static func layer(_ name: String) -> String? {
    name.hasSuffix(".weight") ? String(name.dropLast(7)) : nil
  }

  /// The codes of a linear layer's weight; nil for everything else.
  func linearMatrix(_ name: String) throws -> QuantizedMatrix? {
    guard let layer = Self.layer(name), linear.contains(layer), packed.isPacked(layer) else {
      return nil
    }
    return try packed.matrix(layer, shape: shape(name), for: format.rawValue)
  }

  func shape(_ name: String) throws -> Shape {
    guard let shape = shapes[name] else {
      throw QuantizationError.missingLayer(name, path: catalog.path)
    }
    return shape
  }

  /// The numbers of a tensor that is stored as floats.
  func floats(_ name: String) throws -> Tensor<Float> {
    if let layer = Self.layer(name), packed.isPacked(layer) {
      return try packed.floats(layer, shape: shape(name))
    }
    return try packed.tensor(name, shape: try shape(name))
  }
}

// MARK: - Checks

extension PackedFolderExporter {
  /// What all layers together ask for, and what is lost of each; refuses what has no place.
  private func survey(
    _ source: PackedSource
  ) throws -> (configuration: PackedFolderConfiguration, losses: [String: String]) {
    var found: PackedFolderConfiguration?
    var (losses, kept): ([String: String], [String]) = ([:], [])
    var hasZero = false
    var longest = 0
    var widest = (layer: "", inputs: 0)  // of layers whose rows are not divided
    for name in source.plan.tensorNames {
      guard let matrix = try source.linearMatrix(name) else {
        if let layer = PackedSource.layer(name), source.linear.contains(layer) {
          kept.append(layer)
        }
        continue
      }
      let layer = String(name.dropLast(7))
      let own = Self.facts(matrix, format)
      longest = max(longest, matrix.shape[1])
      var common = found ?? own
      common.isSymmetric = common.isSymmetric && own.isSymmetric
      common.hasInputOrder = common.hasInputOrder || own.hasInputOrder
      common.groupSize = common.groupSize ?? own.groupSize
      if own.groupSize == nil, matrix.shape[1] > widest.inputs { widest = (layer, matrix.shape[1]) }
      guard common.bits == own.bits, common.groupSize == own.groupSize ?? common.groupSize else {
        throw refused(layer, "its bits or group size differ from those of the layers before it")
      }
      found = common
      do throws(QuantizationError) {
        hasZero = try check(matrix) || hasZero
      } catch {
        let text = if case .invalidScheme(let reason) = error { reason } else { "\(error)" }
        throw refused(layer, text)
      }
      losses[name] = try half.loss(ofSteps: matrix.stepSizes, layer)
    }
    if let size = found?.groupSize, widest.inputs > size {
      throw refused(widest.layer, "its rows are whole, those of others have groups of \(size)")
    }
    guard var configuration = found else {
      throw refused("model", "its linear layers are floats; quantize it with 'run' first")
    }
    if !kept.isEmpty, format == .gptq {
      throw refused(
        kept[0],
        "it is no code while other layers are; compressed-tensors can mix them"
      )
    }
    // Groups that no row fills are rows.
    if let size = configuration.groupSize, size >= longest { configuration.groupSize = nil }
    configuration.keptLayers = kept
    configuration.gptqVersion = hasZero ? .two : .one
    return (configuration, losses)
  }

  private func refused(_ layer: String, _ reason: String) -> QuantizationError {
    .inexportable(layer: layer, format: format.rawValue, reason: reason)
  }

  private static func facts(
    _ matrix: QuantizedMatrix,
    _ format: PackedFolderConfiguration.Format
  ) -> PackedFolderConfiguration {
    var size: Int?
    if case .inputGroups(let found) = matrix.scheme.granularity { size = found }
    return PackedFolderConfiguration(
      format,
      bits: matrix.scheme.grid.bits,
      groupSize: size,
      isSymmetric: matrix.scheme.grid.isSymmetric,
      hasInputOrder: matrix.inputOrder != nil
    )
  }

  /// Refuses what the format has no place for; whether a zero point is 0.
  private func check(_ matrix: QuantizedMatrix) throws(QuantizationError) -> Bool {
    switch format {
    case .gptq: return try GPTQFormat(matrix).version == .two
    case .awq: _ = try AWQFormat(matrix)
    case .compressedTensors: _ = try CompressedTensorsFormat(matrix)
    }
    return false
  }
}

// MARK: - Tensors

extension PackedFolderExporter {
  private func declarations(
    _ name: String,
    _ source: PackedSource,
    _ configuration: PackedFolderConfiguration
  ) throws -> [SafetensorsDeclaration] {
    guard let layer = PackedSource.layer(name), source.linear.contains(layer),
      source.packed.isPacked(layer)
    else {
      let shape = try source.shape(name)
      return [SafetensorsDeclaration(name: name, type: .float16, shape: shape)]
    }
    let shape = try source.shape(name)
    let (rows, columns, bits) = (shape[0], shape[1], configuration.bits)
    let size = configuration.groupSize ?? columns
    let groups = (columns + size - 1) / max(size, 1)
    func part(_ suffix: String, _ type: SafetensorsType, _ shape: Shape) -> SafetensorsDeclaration {
      SafetensorsDeclaration(name: layer + "." + suffix, type: type, shape: shape)
    }
    switch format {
    case .gptq:
      return [
        part("qweight", .int32, [columns * bits / 32, rows]),
        part("qzeros", .int32, [groups, rows * bits / 32]),
        part("scales", .float16, [groups, rows]), part("g_idx", .int32, [columns]),
      ]
    case .awq:
      return [
        part("qweight", .int32, [columns, rows / 8]),
        part("qzeros", .int32, [groups, rows / 8]), part("scales", .float16, [groups, rows]),
      ]
    case .compressedTensors:
      let width = PackedRows.wordCount(codes: columns, bits: bits)
      let zeros = PackedRows.wordCount(codes: rows, bits: bits)
      return [
        part("weight_packed", .int32, [rows, width]),
        part("weight_scale", .float16, [rows, groups]), part("weight_shape", .int64, [2]),
      ] + (configuration.isSymmetric ? [] : [part("weight_zero_point", .int32, [zeros, groups])])
    }
  }

  private func write(
    _ name: String,
    _ source: PackedSource,
    _ configuration: PackedFolderConfiguration,
    to writer: SafetensorsWriter
  ) throws -> ExportReport.Entry {
    let shape = try source.shape(name)
    let parts = try declarations(name, source, configuration)
    var entry = ExportReport.Entry(
      name: name,
      storage: "F16",
      shape: shape,
      byteCount: parts.reduce(0) { $0 + $1.extents.reduce($1.type.bitCount / 8, *) }
    )
    guard let matrix = try source.linearMatrix(name) else {
      let values = try source.floats(name)
      let isCode = PackedSource.layer(name).map { source.packed.isPacked($0) } ?? false
      entry.loss = try half.loss(
        of: values,
        name,
        because: isCode
          ? "codes of the embedding as F16 numbers: the format holds linear layers only"
          : "numbers rounded to F16"
      )
      try writer.write(Tensor<Float16>(converting: values), named: name)
      return entry
    }
    entry.storage = "\(Self.name(configuration)) \(configuration.bits) bits"
    try write(matrix, String(name.dropLast(7)), configuration, to: writer)
    return entry
  }

  private func write(
    _ matrix: QuantizedMatrix,
    _ layer: String,
    _ configuration: PackedFolderConfiguration,
    to writer: SafetensorsWriter
  ) throws {
    switch format {
    case .gptq:
      let parts = try GPTQFormat(matrix, version: configuration.gptqVersion)
      try writer.write(parts.codes, named: layer + ".qweight")
      try writer.write(parts.zeroPoints, named: layer + ".qzeros")
      try writer.write(Tensor<Float16>(converting: parts.stepSizes), named: layer + ".scales")
      try writer.write(parts.groupIndices, named: layer + ".g_idx")
    case .awq:
      let parts = try AWQFormat(matrix)
      try writer.write(parts.codes, named: layer + ".qweight")
      try writer.write(parts.zeroPoints, named: layer + ".qzeros")
      try writer.write(Tensor<Float16>(converting: parts.stepSizes), named: layer + ".scales")
    case .compressedTensors:
      let parts = try CompressedTensorsFormat(
        configuration.isSymmetric ? matrix : matrix.withZeroPoints()
      )
      try writer.write(parts.codes, named: layer + ".weight_packed")
      try writer.write(
        Tensor<Float16>(converting: parts.stepSizes),
        named: layer + ".weight_scale"
      )
      let extents = matrix.shape.extents.map { Int64($0) }
      try writer.write(Tensor(extents, shape: [2]), named: layer + ".weight_shape")
      if let zeros = parts.zeroPoints {
        try writer.write(zeros, named: layer + ".weight_zero_point")
      }
    }
  }
}
