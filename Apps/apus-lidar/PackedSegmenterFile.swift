import Autograd
import Checkpoints
import Foundation
import PointCloud
import Quantization
import Support
import Tensor

/// A segmentation network of which some weights are packed codes, as one safetensors file.
///
/// The tensors of a packed layer are `NAME.weight_packed`, `NAME.weight_scale` and
/// `NAME.weight_zero_point`; everything else lies there as floats. The metadata are those of a network,
/// and under `packing` the layers with their shapes and schemes.
enum PackedSegmenterFile {
  /// What the metadata say of a layer.
  private struct Entry: Codable {
    var parameter: String
    var shape: [Int]
    var scheme: WeightScheme
  }

  /// The most numbers of a layer that a file may ask for.
  private static let maximumCount = 1 << 28

  /// Whether a file is one; false for what cannot be read.
  static func isPacked(_ path: String) -> Bool {
    (try? SafetensorsFile(path: path))?.metadata[PointSegmenter.packingKey] != nil
  }

  /// The network, its codes expanded to floats.
  ///
  /// - Throws: `CommandFailure`, `CheckpointError`, `QuantizationError` or `SegmenterFileError` for a
  ///   file that is damaged.
  static func read(_ path: String) throws -> PointSegmenter {
    let checkpoint = try Checkpoint(path: path, mode: .inMemory)
    guard let file = checkpoint.shards.first,
      let text = file.metadata[PointSegmenter.packingKey],
      let entries = try? JSONDecoder().decode([Entry].self, from: Data(text.utf8))
    else { throw CommandFailure("\(path.printable): what it says of its packed layers is damaged") }
    var weights: [String: Tensor<Float>] = [:]
    for entry in entries {
      let layer = try layer(entry, in: checkpoint)
      guard weights.updateValue(layer.weight, forKey: entry.parameter) == nil else {
        throw CommandFailure("\(path.printable): layer \(layer.name) is packed twice")
      }
    }
    return try PointSegmenter(file, decoded: weights)
  }

  private static func layer(_ entry: Entry, in checkpoint: Checkpoint) throws -> PackedLayer {
    var count = 1
    for extent in entry.shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflow, product <= maximumCount else { throw fault(entry, checkpoint) }
      count = product
    }
    guard (2...3).contains(entry.shape.count) else { throw fault(entry, checkpoint) }
    // What is decoded has not been checked.
    let scheme = try WeightScheme(
      grid: QuantizationGrid(
        bits: entry.scheme.grid.bits,
        isSymmetric: entry.scheme.grid.isSymmetric
      ),
      granularity: entry.scheme.granularity,
      range: entry.scheme.range,
      scaleType: entry.scheme.scaleType
    )
    let shape = Shape(entry.shape)
    let matrix = try QuantizedMatrix(
      named: PackedLayer.layerName(of: entry.parameter),
      shape: PackedLayer.matrixShape(of: shape),
      scheme: scheme,
      in: checkpoint
    )
    return PackedLayer(parameter: entry.parameter, shape: shape, matrix: matrix)
  }

  private static func fault(_ entry: Entry, _ checkpoint: Checkpoint) -> CommandFailure {
    CommandFailure(
      "\(checkpoint.path.printable): \(entry.parameter.printable) cannot have the shape \(entry.shape)"
    )
  }

  /// Writes a network with these layers as codes; the file appears complete or not at all.
  ///
  /// - Throws: `SegmenterFileError` or `CheckpointError`.
  static func write(
    _ network: PointSegmenter,
    packing layers: [PackedLayer],
    to path: String
  ) throws {
    let entries = layers.map { layer in
      Entry(
        parameter: layer.parameter,
        shape: layer.shape.extents,
        scheme: layer.matrix.scheme
      )
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    var metadata = try network.metadata()
    metadata[PointSegmenter.packingKey] = String(
      decoding: try encoder.encode(entries),
      as: UTF8.self
    )
    let packed = Set(layers.map(\.parameter))
    let floats = network.state().filter { !packed.contains($0.key) }.sorted { $0.key < $1.key }
    let declarations = floats.map { name, tensor in
      SafetensorsDeclaration(name: name, type: .float32, shape: tensor.shape)
    }
    let writer = try SafetensorsWriter(
      path: path,
      tensors: declarations + layers.flatMap { $0.matrix.declarations(named: $0.name) },
      metadata: metadata
    )
    for (name, tensor) in floats { try writer.write(tensor, named: name) }
    for layer in layers { try layer.matrix.write(to: writer, named: layer.name) }
    try writer.finish()
  }
}
