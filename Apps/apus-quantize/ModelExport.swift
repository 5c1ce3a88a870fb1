import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Tensor
import Transformer

/// A model on its way into another format.
struct ModelExport {
  let file: ModelFile
  let output: String
  let stepSizes: StepSizeRounding

  private var pretrained: PretrainedModel { file.pretrained }

  /// Writes the model; `progress` stops it by returning false.
  func run(
    _ format: ExportFormat,
    floats: FloatStorage,
    gguf: GGUFStorage,
    progress: (ExportProgress) -> Bool
  ) throws -> ExportSummary {
    switch format {
    case .huggingFace: try writeFloats(floats)
    case .gptq: try writePacked(.gptq, progress)
    case .compressedTensors: try writePacked(.compressedTensors, progress)
    case .awq: try writePacked(.awq, progress)
    case .gguf: try writeGGUF(gguf, progress)
    }
  }

  private func summary(_ text: String, report: ExportReport? = nil) -> ExportSummary {
    ExportSummary(
      output: output,
      family: pretrained.family.rawValue,
      parameters: pretrained.configuration.parameterCount,
      storage: text,
      report: report
    )
  }

  private func withTokenizerNote(_ summary: ExportSummary) -> ExportSummary {
    guard pretrained.tokenizer == nil else { return summary }
    var summary = summary
    summary.notes.append("the model has no tokenizer, so that programs cannot read text with it")
    return summary
  }

  private func writeFloats(_ type: FloatStorage) throws -> ExportSummary {
    let element: ElementType =
      switch type {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    let folder = URL(filePath: output)
    if let packed = file.packedWeights {
      try pretrained.save(to: folder, as: element) { tensor in
        let layer = String(tensor.name.dropLast(".weight".count))
        guard tensor.name.hasSuffix(".weight"), packed.isPacked(layer) else {
          return try pretrained.catalog.floats(tensor.name)
        }
        return try packed.floats(layer, shape: tensor.shape)
      }
    } else {
      try pretrained.save(to: folder, as: element)
    }
    var summary = summary(type.rawValue)
    if pretrained.family == .apus {
      summary.notes.append(
        "no released family has this shape; the transformers library does not know it"
      )
    }
    if file.quantization != nil { summary.notes.append("codes were written as \(type.rawValue)") }
    return summary
  }

  private func writePacked(
    _ format: PackedFolderConfiguration.Format,
    _ progress: (ExportProgress) -> Bool
  ) throws -> ExportSummary {
    guard pretrained.family.hasSeparateLayers else {
      let known = ModelFamily.allCases.filter(\.hasSeparateLayers).map(\.rawValue)
      throw CommandFailure(
        "\(file.path) is of the family '\(pretrained.family.rawValue)', whose layers no tool reads "
          + "as \(format.rawValue); families: \(known.joined(separator: ", "))"
      )
    }
    guard let packed = file.packedWeights else {
      throw CommandFailure(
        "\(file.path) is in floating point, \(format.rawValue) holds codes; quantize it with "
          + "'run' first"
      )
    }
    var plan = try file.plan
    plan.configurationDocument[QuantizationConfiguration.key] = nil
    let shapes = pretrained.configuration.tensors.map { ($0.name, $0.shape) }
    let report = try PackedFolderExporter(format, stepSizes: stepSizes).run(
      pretrained.catalog,
      plan: plan,
      shapes: Dictionary(shapes, uniquingKeysWith: { first, _ in first }),
      packed: packed,
      to: URL(filePath: output),
      progress: progress
    )
    return withTokenizerNote(summary(report.format, report: report))
  }

  private func writeGGUF(
    _ storage: GGUFStorage,
    _ progress: (ExportProgress) -> Bool
  ) throws -> ExportSummary {
    guard !FileManager.default.fileExists(atPath: output) else {
      throw CommandFailure("output \(output) exists; choose another file")
    }
    if file.quantization == nil { try pretrained.checkTensors() }
    let report = try GGUFExporter(storage.storage, stepSizes: stepSizes).run(
      pretrained.catalog,
      plan: try pretrained.ggufPlan(),
      packed: file.packedWeights,
      to: output,
      progress: progress
    )
    return withTokenizerNote(summary("GGUF", report: report))
  }
}

/// What an `export` wrote.
struct ExportSummary: Encodable {
  var output: String
  var family: String
  var parameters: Int
  var storage: String
  var bytes: Int?
  /// The tensors of each storage.
  var tensors: [String: Int]
  /// Whether every number is the same as in the source.
  var isExact: Bool?
  var notes: [String]

  init(
    output: String,
    family: String,
    parameters: Int,
    storage: String,
    report: ExportReport?
  ) {
    self.output = output
    self.family = family
    self.parameters = parameters
    self.storage = storage
    bytes = report?.byteCount
    isExact = report?.isExact
    tensors = (report?.entries ?? []).reduce(into: [:]) { $0[$1.storage, default: 0] += 1 }
    notes = (report?.losses ?? []).map { "\($0.count.counted("tensor")): \($0.reason)" }
  }

  /// For people.
  var text: String {
    var parts = ["\(output): \(family), \(parameters.counted("parameter")) in \(storage)"]
    if let bytes { parts.append(byteCount(bytes)) }
    let kinds = tensors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    parts += kinds.map { "\($0.value) \($0.key)" }
    return parts.joined(separator: ", ")
  }
}
