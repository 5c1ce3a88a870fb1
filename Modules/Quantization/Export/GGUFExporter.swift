public import Checkpoints
import Tensor

/// Writes a model as a GGUF file, tensor by tensor.
///
/// Codes go into blocks as they are. Each matrix gets the smallest type that holds it exactly, or the
/// one that is asked for; what that type cannot hold is refused. Only the embedding and the head,
/// where no type holds their codes, become half-precision numbers, which the report says.
public struct GGUFExporter {
  /// How matrices are stored.
  public enum Storage: Hashable, Sendable {
    /// Without loss: the smallest exact blocks for codes, their own type for floats.
    case automatic
    /// In one type; floats are rounded to its blocks as ggml's reference does.
    case type(GGUFTensorType)
  }

  /// How matrices are stored.
  public let storage: Storage
  private let half: HalfPrecision

  /// An exporter.
  public init(_ storage: Storage = .automatic, stepSizes: StepSizeRounding = .refused) {
    self.storage = storage
    half = HalfPrecision(format: "GGUF", rounding: stepSizes)
  }

  /// Writes the tensors of `catalog` to a file that appears complete or not at all.
  ///
  /// - Parameters:
  ///   - catalog: the tensors.
  ///   - plan: where they lie in the file.
  ///   - packed: the packed layers; nil for a model in floating point.
  ///   - path: where the file goes.
  ///   - progress: called before each tensor and at the end; return false to stop.
  /// - Returns: what was written.
  /// - Throws: `QuantizationError.inexportable` before anything is written; `CheckpointError`.
  @discardableResult
  public func run(
    _ catalog: any TensorCatalog,
    plan: GGUFPlan,
    packed: (any QuantizedWeightSource)?,
    to path: String,
    progress: (ExportProgress) -> Bool = { _ in true }
  ) throws -> ExportReport {
    let source = GGUFItemSource(catalog: catalog, packed: packed)
    var choices: [GGUFChoice] = []
    for item in plan.items { choices.append(try choice(for: item, source)) }
    let fileType = ("general.file_type", GGUFField.uint32(Self.fileType(plan, choices)))
    let writer = try GGUFWriter(
      path: path,
      metadata: plan.metadata + [fileType],
      tensors: zip(plan.items, choices).map { item, choice in
        GGUFDeclaration(name: item.name, type: choice.type, shape: item.shape)
      }
    )
    var report = ExportReport(format: "GGUF")
    for (index, item) in plan.items.enumerated() {
      let state = ExportProgress(finished: index, total: plan.items.count, current: item.name)
      guard progress(state) else { throw QuantizationError.cancelled }
      report.entries.append(try write(item, choices[index], source, to: writer))
    }
    try writer.finish()
    let count = plan.items.count
    _ = progress(ExportProgress(finished: count, total: count, current: nil))
    return report
  }

  /// The number of the type that most matrices have, for `general.file_type`.
  private static func fileType(_ plan: GGUFPlan, _ choices: [GGUFChoice]) -> UInt32 {
    var counts: [GGUFTensorType: Int] = [:]
    for (item, choice) in zip(plan.items, choices) where item.role == .linear {
      counts[choice.type, default: 0] += item.shape.count
    }
    let type = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key
    return switch type {
    case .float32?: 0
    case .q4_0?: 2
    case .q4_1?: 3
    case .q8_0?: 7
    case .q5_0?: 8
    case .q5_1?: 9
    case .q2_K?: 10
    case .q4_K?: 14
    case .bfloat16?: 32
    default: 1
    }
  }
}

/// How one tensor is stored.
private struct GGUFChoice {
  var type: GGUFTensorType
  /// Whether the codes go into blocks as they are.
  var keepsCodes = false
  var loss: String?
}

/// Where the numbers of a tensor come from.
private struct GGUFItemSource {
  let catalog: any TensorCatalog
  let packed: (any QuantizedWeightSource)?

  static func layer(_ part: GGUFPlan.Item.Part) -> String {
    part.name.hasSuffix(".weight") ? String(part.name.dropLast(7)) : part.name
  }

  func isPacked(_ part: GGUFPlan.Item.Part) -> Bool {
    part.shape.rank == 2 && packed?.isPacked(Self.layer(part)) == true
  }

  /// Whether all parts of a tensor are packed.
  func isPacked(_ item: GGUFPlan.Item) -> Bool {
    !item.parts.isEmpty && item.parts.allSatisfy { isPacked($0) }
  }

  /// The matrices of a tensor whose parts are all packed; nil for others.
  func matrices(_ item: GGUFPlan.Item) throws -> [QuantizedMatrix]? {
    guard let packed, isPacked(item) else { return nil }
    return try item.parts.map {
      try packed.matrix(Self.layer($0), shape: $0.shape, for: "GGUF")
    }
  }

  /// The numbers of a tensor as the file holds them.
  func floats(_ item: GGUFPlan.Item) throws -> Tensor<Float> {
    if let values = item.values { return Tensor(values, shape: item.shape) }
    var parts: [Tensor<Float>] = []
    for part in item.parts {
      let values =
        if let packed, isPacked(part) {
          try packed.floats(Self.layer(part), shape: part.shape)
        } else { try catalog.floats(part.name) }
      guard values.shape == part.shape else {
        throw CheckpointError.shapeMismatch(
          path: catalog.path,
          name: part.name,
          expected: part.shape.extents,
          found: values.shape.extents
        )
      }
      parts.append(values)
    }
    var joined = parts.count == 1 ? parts[0] : Tensor.concatenating(parts)
    if let order = item.rowOrder { joined = joined.rows(order) }
    return item.offset == 0 ? joined : joined + item.offset
  }

  /// The plain type that holds the stored numbers without loss; nil for blocks.
  func plainType(_ item: GGUFPlan.Item) -> GGUFTensorType? {
    let types = Set(item.parts.map { catalog.describe($0.name)?.storage })
    guard types.count == 1, let type = types.first else { return nil }
    return switch type {
    case "F32": .float32
    case "F16": .float16
    case "BF16": .bfloat16
    default: nil
    }
  }
}

// MARK: - Choices

extension GGUFExporter {
  private func choice(
    for item: GGUFPlan.Item,
    _ source: GGUFItemSource
  ) throws -> GGUFChoice {
    if item.role == .other { return GGUFChoice(type: .float32) }
    if case .type(let type) = storage, !type.isQuantized, source.isPacked(item) {
      return GGUFChoice(type: type, loss: type == .float32 ? nil : "codes as \(type.name) numbers")
    }
    if let matrices = try source.matrices(item) {
      return try choice(for: item, codes: matrices)
    }
    let isPlain = if case .type(let type) = storage { !type.isQuantized } else { false }
    // Beside codes, what is no code stays as it is unless all becomes floats.
    if source.packed != nil, !isPlain { return automaticChoice(for: item, source) }
    guard case .type(let type) = storage else { return automaticChoice(for: item, source) }
    return try choice(for: item, rounding: type, source)
  }

  private func automaticChoice(
    for item: GGUFPlan.Item,
    _ source: GGUFItemSource
  ) -> GGUFChoice {
    if let type = source.plainType(item) { return GGUFChoice(type: type) }
    return GGUFChoice(type: .float16, loss: "blocks of the source in half precision")
  }

  /// Codes: the type of blocks that was asked for, or the smallest exact one.
  private func choice(
    for item: GGUFPlan.Item,
    codes: [QuantizedMatrix]
  ) throws -> GGUFChoice {
    let layer = item.parts.map { GGUFItemSource.layer($0) }.joined(separator: "', '")
    func refused(_ reason: String) -> QuantizationError {
      .inexportable(layer: layer, format: "GGUF", reason: reason)
    }
    var reason = "no type holds its codes"
    var type = GGUFBlocks.exactType(for: codes)
    if case .type(let wanted) = storage {
      do throws(QuantizationError) {
        for matrix in codes { try GGUFBlocks.check(matrix, wanted) }
        type = wanted
      } catch {
        if item.role == .linear { throw refused(Self.advice(error, codes, exact: type)) }
      }
    } else if type == nil {
      do throws(QuantizationError) {
        for matrix in codes { try GGUFBlocks.check(matrix, .q8_0) }
      } catch { reason = Self.advice(error, codes, exact: nil) }
    }
    guard let type else {
      guard item.role == .embedding else { throw refused(reason) }
      return GGUFChoice(type: .float16, loss: "codes of the embedding as F16 numbers")
    }
    var loss: String?
    for matrix in codes { loss = try half.loss(ofSteps: matrix.stepSizes, layer) ?? loss }
    if type == .q4_1 { loss = "minima rounded to half precision (Q4_1)" }
    return GGUFChoice(type: type, keepsCodes: true, loss: loss)
  }

  private static func advice(
    _ error: QuantizationError,
    _ codes: [QuantizedMatrix],
    exact: GGUFTensorType?
  ) -> String {
    let text = if case .invalidScheme(let reason) = error { reason } else { error.description }
    if let exact {
      return text + "; \(exact.name) holds it exactly: take --gguf-type \(exact.name.lowercased()) "
        + "or auto"
    }
    // Eight bits with a zero point reach beyond −128 … 127, whatever the groups are.
    let isTooWide = codes.contains { $0.scheme.grid.bits == 8 && !$0.scheme.grid.isSymmetric }
    let byOutputs = codes.contains { matrix in
      if case .outputGroups = matrix.scheme.granularity { true } else { false }
    }
    // Of groups of outputs the reason itself says what to choose.
    guard !byOutputs else { return text + "; or take --gguf-type f16" }
    return text + "; take --gguf-type f16, or quantize "
      + (isTooWide ? "with --symmetric" : "with groups that are multiples of 32")
  }

  /// Floats: rounded to the type that was asked for.
  private func choice(
    for item: GGUFPlan.Item,
    rounding type: GGUFTensorType,
    _ source: GGUFItemSource
  ) throws -> GGUFChoice {
    guard type.isQuantized else {
      let isExact = type == .float32 || source.plainType(item) == type
      return GGUFChoice(type: type, loss: isExact ? nil : "numbers rounded to \(type.name)")
    }
    func refused(_ reason: String) -> QuantizationError {
      .inexportable(layer: item.parts[0].name, format: "GGUF", reason: reason)
    }
    guard [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0].contains(type) else {
      throw refused(
        "floats are not rounded to \(type.name) here; quantize the model with 'run' first, whose "
          + "codes it can hold"
      )
    }
    guard item.shape[1] % type.blockCount == 0 else {
      throw refused(
        "rows of \(item.shape[1]) do not fill blocks of \(type.blockCount); take --gguf-type f16"
      )
    }
    // Choice: rounding the embedding and the head costs most, and released files keep them so.
    let chosen = item.role == .embedding ? GGUFTensorType.q8_0 : type
    return GGUFChoice(type: chosen, loss: "numbers rounded to \(chosen.name)")
  }
}

// MARK: - Writing

extension GGUFExporter {
  private func write(
    _ item: GGUFPlan.Item,
    _ choice: GGUFChoice,
    _ source: GGUFItemSource,
    to writer: GGUFWriter
  ) throws -> ExportReport.Entry {
    var loss = choice.loss
    if choice.keepsCodes, let matrices = try source.matrices(item) {
      let parts = try matrices.map { matrix throws(QuantizationError) in
        try GGUFBlocks.encoding(matrix, as: choice.type)
      }
      // Blocks lie inside rows, so rows move with their scales and zero points.
      let blocks = parts.count == 1 ? parts[0] : Tensor.concatenating(parts)
      try writer.write(blocks: item.rowOrder.map { blocks.rows($0) } ?? blocks, named: item.name)
    } else {
      let values = try source.floats(item)
      switch choice.type {
      case .float32: try writer.write(values, named: item.name)
      case .float16:
        loss = try half.loss(of: values, item.name, because: loss ?? "numbers rounded to F16")
        try writer.write(Tensor<Float16>(converting: values), named: item.name)
      case .bfloat16:
        try writer.write(Tensor<BFloat16>(converting: values), named: item.name)
      default:
        try writer.write(
          blocks: GGUFBlocks.rounding(values, as: choice.type),
          named: item.name
        )
      }
    }
    let blocks = item.shape.count / choice.type.blockCount
    return ExportReport.Entry(
      name: item.name,
      storage: choice.type.name,
      shape: item.shape,
      byteCount: blocks * choice.type.blockByteCount,
      loss: loss
    )
  }
}
