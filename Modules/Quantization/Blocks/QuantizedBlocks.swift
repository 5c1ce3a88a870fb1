import Autograd
import Checkpoints
public import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The finished blocks in a work folder of `BlockQuantizer`, by the names of the checkpoint.
public struct QuantizedBlocks: Sendable {
  /// The folder.
  public let folder: String
  /// What became of each block.
  public let reports: [BlockReport]
  private let files: [Checkpoint]
  /// The file of each tensor.
  private let places: [String: Int]
  private let schemes: [String: (scheme: WeightScheme, shape: Shape)]

  /// Opens the finished blocks of a folder.
  ///
  /// - Throws: `CheckpointError`, `QuantizationError.invalidConfiguration` for a damaged report.
  public init(_ folder: String) throws {
    self.folder = folder
    var (reports, files): ([BlockReport], [Checkpoint]) = ([], [])
    var places: [String: Int] = [:]
    var schemes: [String: (scheme: WeightScheme, shape: Shape)] = [:]
    while FileManager.default.fileExists(atPath: Self.path(folder, files.count)) {
      let path = Self.path(folder, files.count)
      let file = try Checkpoint(path: path)
      let text = file.metadata["report"] ?? ""
      guard let report = BlockReport(text: text) else {
        throw QuantizationError.invalidConfiguration(
          path: path,
          reason: "'report' in the metadata is missing or damaged"
        )
      }
      for name in file.names { places[name] = files.count }
      for layer in report.layers { schemes[layer.name] = (layer.scheme, layer.shape) }
      reports.append(report)
      files.append(file)
    }
    self.reports = reports
    self.files = files
    self.places = places
    self.schemes = schemes
  }

  /// The names of the quantized layers, in execution order.
  public var layerNames: [String] { reports.flatMap { $0.layers.map(\.name) } }

  /// The scheme of a layer; nil if it was not quantized.
  public func scheme(of layer: String) -> WeightScheme? { schemes[layer]?.scheme }

  /// What became of a layer; nil if it was not quantized.
  public func report(of layer: String) -> BlockReport.Layer? {
    reports.lazy.flatMap(\.layers).first { $0.name == layer }
  }

  /// The codes of a layer; nil if it was not quantized.
  public func matrix(_ layer: String) throws -> QuantizedMatrix? {
    guard let (scheme, shape) = schemes[layer],
      let place = places[layer + QuantizedWeights.wordsSuffix]
    else { return nil }
    let matrix: Shape = [shape[0], shape.count / max(shape[0], 1)]
    return try QuantizedWeights.matrix(layer, shape: matrix, scheme: scheme, in: files[place])
  }

  /// A tensor that is no code and has changed, such as the scale of a norm; nil if it is as it was.
  public func changed(_ name: String) throws -> Tensor<Float>? {
    try places[name].map { try files[$0].floats(name) }
  }

  /// What the inputs of a layer are rounded to, where all share one grid; nil for none.
  public func inputGrid(_ layer: String) throws -> Tensor<Float>? {
    try changed(layer + QuantizedWeights.inputGridSuffix)
  }

  static func number(_ index: Int) -> String {
    let digits = String(index)
    return String(repeating: "0", count: max(3 - digits.count, 0)) + digits
  }

  static func path(_ folder: String, _ index: Int) -> String {
    folder + "/block-" + number(index) + ".safetensors"
  }

  static func write(
    _ block: QuantizedBlock,
    to folder: String,
    checkpointName: (_ path: String) -> String
  ) throws {
    let layers = block.layers.map { layer in
      let tensor = checkpointName(layer.path + ".weight")
      return (tensor.hasSuffix(".weight") ? String(tensor.dropLast(7)) : tensor, layer)
    }
    let changed = block.changed.map { (checkpointName($0.path), $0.value) }
    let grids = layers.compactMap { name, layer in
      layer.inputQuantizer.map { (name + QuantizedWeights.inputGridSuffix, $0.grid) }
    }
    let report = try block.report.text
    let floats = changed + grids
    let writer = try SafetensorsWriter(
      path: path(folder, block.report.block),
      tensors: layers.flatMap { $1.matrix.declarations(named: $0) }
        + floats.map {
          SafetensorsDeclaration(name: $0, type: SafetensorsType(.float32), shape: $1.shape)
        },
      metadata: ["report": report]
    )
    for (name, layer) in layers { try layer.matrix.write(to: writer, named: name) }
    for (name, value) in floats { try writer.write(value, named: name) }
    try writer.finish()
  }
}
