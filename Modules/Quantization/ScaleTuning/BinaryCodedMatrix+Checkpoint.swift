public import Checkpoints
public import Tensor

/// How a binary-coded layer `name` lies in a checkpoint:
///
/// | tensor | element type | shape |
/// |---|---|---|
/// | `name.binary_planes` | I32 | [N × q × ⌈K/32⌉]: bit c mod 32 of word c/32 set for +1, clear past K |
/// | `name.binary_scale` | F16 or F32 | [N × G × q] |
/// | `name.binary_offset` | as the scale | [N × G]; absent where all are 0 |
extension BinaryCodedMatrix {
  static let planesSuffix = ".binary_planes"
  static let scalesSuffix = ".binary_scale"
  static let offsetsSuffix = ".binary_offset"

  /// The tensors that this matrix becomes, for the header of a file.
  public func declarations(named layer: String) -> [SafetensorsDeclaration] {
    let parts = Self.declarations(words.shape, scales.shape, scaleType, layer)
    guard let offsets else { return parts }
    let name = layer + Self.offsetsSuffix
    return parts + [
      SafetensorsDeclaration(name: name, type: parts[1].type, shape: offsets.shape)
    ]
  }

  /// The tensors that the codes of a weight of that shape become.
  static func declarations(
    of shape: Shape,
    coding: BinaryCoding,
    scaleType: ScaleType,
    named layer: String
  ) -> [SafetensorsDeclaration] {
    let groups = layout(for: shape, groupSize: coding.groupSize).columnGroups
    return declarations(
      [shape[0], coding.planes, wordCount(shape[1])],
      [shape[0], groups, coding.planes],
      scaleType,
      layer
    )
  }

  private static func declarations(
    _ words: Shape,
    _ scales: Shape,
    _ scaleType: ScaleType,
    _ layer: String
  ) -> [SafetensorsDeclaration] {
    let type: ElementType = scaleType == .float16 ? .float16 : .float32
    return [
      SafetensorsDeclaration(name: layer + planesSuffix, type: .int32, shape: words),
      SafetensorsDeclaration(
        name: layer + scalesSuffix,
        type: SafetensorsType(type),
        shape: scales
      ),
    ]
  }

  /// Writes the tensors that `declarations(named:)` announced.
  public func write(to writer: SafetensorsWriter, named layer: String) throws {
    func write(_ values: Tensor<Float>, _ suffix: String) throws {
      switch scaleType {
      case .float32: try writer.write(values, named: layer + suffix)
      case .float16:
        try writer.write(Tensor<Float16>(converting: values), named: layer + suffix)
      }
    }
    try writer.write(words, named: layer + Self.planesSuffix)
    try write(scales, Self.scalesSuffix)
    if let offsets { try write(offsets, Self.offsetsSuffix) }
  }

  /// Whether a catalog holds a binary-coded layer of that name.
  public static func isStored(_ layer: String, in catalog: any TensorCatalog) -> Bool {
    catalog.describe(layer + planesSuffix) != nil
  }

  /// Reads the layer of that name.
  ///
  /// - Parameters:
  ///   - layer: the name before the suffixes.
  ///   - shape: [N × K].
  ///   - groupSize: the inputs that share scales; nil for whole rows.
  ///   - catalog: the tensors.
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` if a part is missing, shaped
  ///   otherwise, stored otherwise or not finite.
  public init(
    named layer: String,
    shape: Shape,
    groupSize: Int?,
    in catalog: any TensorCatalog
  ) throws {
    let words = try Self.words(layer, shape, in: catalog)
    let groups = Self.layout(for: shape, groupSize: groupSize).shape
    let scales = layer + Self.scalesSuffix
    let offsets = layer + Self.offsetsSuffix
    let hasOffsets = catalog.describe(offsets) != nil
    self.init(
      columnCount: shape[1],
      groupSize: groupSize,
      words: words,
      scales: try Self.finite(scales, [groups[0], groups[1], words.shape[1]], in: catalog),
      offsets: hasOffsets ? try Self.finite(offsets, groups, in: catalog) : nil,
      scaleType: catalog.describe(scales)?.storage == "F16" ? .float16 : .float32
    )
  }

  private static func words(
    _ layer: String,
    _ shape: Shape,
    in catalog: any TensorCatalog
  ) throws -> Tensor<Int32> {
    let name = layer + planesSuffix
    let words = try catalog.tensor(name, as: Int32.self)
    let planes = words.rank == 3 ? words.shape[1] : 1
    let expected: Shape = [shape[0], planes, wordCount(shape[1])]
    try QuantizedWeights.check(name, words.shape, expected: expected, in: catalog)
    func invalid(_ reason: String) -> QuantizationError {
      .invalidTensor(name, path: catalog.path, reason: reason)
    }
    guard BinaryCoding.supportedPlanes.contains(planes) else {
      throw invalid("has \(planes) planes; 1 to 8 are supported")
    }
    guard shape[1] % 32 != 0 else { return words }
    let (width, past) = (expected[2], Int32(bitPattern: ~0 << UInt32(shape[1] % 32)))
    let isClear = words.withUnsafeElements { words in
      stride(from: width - 1, to: words.count, by: width).allSatisfy { words[$0] & past == 0 }
    }
    guard isClear else { throw invalid("has bits set past input \(shape[1] - 1)") }
    return words
  }

  private static func finite(
    _ name: String,
    _ shape: Shape,
    in catalog: any TensorCatalog
  ) throws -> Tensor<Float> {
    func invalid(_ reason: String) -> QuantizationError {
      .invalidTensor(name, path: catalog.path, reason: reason)
    }
    let values = try catalog.floats(name)
    if let storage = catalog.describe(name)?.storage, storage != "F16", storage != "F32" {
      throw invalid("is stored as \(storage); F16 or F32 is needed")
    }
    try QuantizedWeights.check(name, values.shape, expected: shape, in: catalog)
    guard values.allFinite else { throw invalid("holds a number that is not finite") }
    return values
  }
}
