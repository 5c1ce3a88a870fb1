import Checkpoints
public import Tensor

/// A file with one label for each point of a scan.
///
/// SemanticKITTI's `.label` holds 32 bits a point, in little-endian order: the class in the low
/// half, the instance in the high half. nuScenes's `_lidarseg.bin` holds a byte a point, the class;
/// its `_panoptic.npz` holds an array `data` of class · 1000 + instance.
/// Labels are the raw ids of the data set, in files that are written too: a `LabelMap` makes them
/// of classes.
public struct LabelFile: Sendable {
  /// The raw label of each point [P].
  public let labels: Tensor<Int32>
  /// The instance of each point [P]; nil where the format has none.
  public let instances: Tensor<Int32>?

  /// Labels, and instances if there are any.
  ///
  /// - Shapes: both [P].
  public init(_ labels: Tensor<Int32>, instances: Tensor<Int32>? = nil) {
    expect(
      labels.rank == 1 && (instances.map { $0.shape == labels.shape } ?? true),
      "label file: labels \(labels.shape) and instances \(instances?.shape ?? labels.shape)"
    )
    (self.labels, self.instances) = (labels, instances)
  }

  /// P, the number of labels.
  public var count: Int { labels.count }

  /// Reads `_lidarseg.bin` or `_panoptic.npz` of nuScenes, or any other name as `.label` of
  /// SemanticKITTI.
  ///
  /// - Throws: `PointFileError` when the file cannot be read or is no whole number of labels.
  public init(contentsOf path: String) throws(PointFileError) {
    let file = try MappedFile(pointsAt: path)
    if path.lowercased().hasSuffix(".npz") || file.bytes.starts(with: [0x50, 0x4B, 3, 4]) {
      try self.init(panoptic: path)
    } else if path.hasSuffix("_lidarseg.bin") {
      try checkPointCount(file.bytes.count, path)
      self.init(Tensor(file.bytes.map { Int32($0) }, shape: [file.bytes.count]))
    } else {
      try self.init(semanticKITTI: file)
    }
  }

  private init(panoptic path: String) throws(PointFileError) {
    let words: Tensor<Int32>
    do throws(CheckpointError) {
      words = try panopticWords(path)
    } catch {
      throw PointFileError(error, path: path)
    }
    guard words.rank == 1 else {
      let reason = "an array of \(words.shape), expected a label for each point"
      throw .malformed(path: path, place: nil, reason: reason)
    }
    try checkPointCount(words.count, path)
    if let row = words.elements.firstIndex(where: { $0 < 0 || $0 > 0xFFFF }) {
      let reason = "label \(words.elements[row]), expected 16 bits of class · 1000 + instance"
      throw .malformed(path: path, place: .point(row), reason: reason)
    }
    func part(_ value: (Int32) -> Int32) -> Tensor<Int32> {
      Tensor(words.elements.map(value), shape: words.shape)
    }
    self.init(part { $0 / 1000 }, instances: part { $0 % 1000 })
  }

  private init(semanticKITTI file: MappedFile) throws(PointFileError) {
    let bytes = file.bytes
    guard bytes.count % 4 == 0 else {
      throw .malformed(
        path: file.path,
        place: nil,
        reason: "\(bytes.count) bytes are no whole number of labels of 4 bytes"
      )
    }
    let count = bytes.count / 4
    try checkPointCount(count, file.path)
    func half(shift: UInt32) -> Tensor<Int32> {
      Tensor(uninitialized: [count]) { target in
        for row in 0..<count {
          let word = bytes.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)
          target[row] = Int32(UInt32(littleEndian: word) >> shift & 0xFFFF)
        }
      }
    }
    self.init(half(shift: 0), instances: half(shift: 16))
  }

  /// Writes the file: a byte a point if the name ends in `_lidarseg.bin`, 32 bits a point else.
  ///
  /// - Throws: `PointFileError.malformed` when a label or an instance does not fit its bits,
  ///   `.unwritable`.
  public func write(to path: String) throws(PointFileError) {
    let isByte = path.hasSuffix("_lidarseg.bin")
    let (low, high) = (labels.elements, instances?.elements)
    for (row, label) in low.enumerated() {
      let instance = high?[row] ?? 0
      let limit: Int32 = isByte ? 0xFF : 0xFFFF
      guard label >= 0, label <= limit, instance >= 0, instance <= 0xFFFF else {
        let found = "label \(label), instance \(instance)"
        throw .malformed(path: path, place: .point(row), reason: "\(found) do not fit the format")
      }
    }
    guard !isByte else {
      return try writeBytes(low.map { UInt8(truncatingIfNeeded: $0) }, to: path)
    }
    let words = low.indices.map { UInt32(low[$0]) | UInt32(high?[$0] ?? 0) << 16 }
    try writeWords(words, to: path)
  }
}

/// The array of a panoptic archive: `data`, or the only one.
private func panopticWords(_ path: String) throws(CheckpointError) -> Tensor<Int32> {
  let archive = try NPZFile(path: path)
  let only = archive.names.count == 1 ? archive.names[0] : "data"
  return try archive.array(named: only).integers()
}

/// Writes words in little-endian order as a whole file.
func writeWords(_ words: [UInt32], to path: String) throws(PointFileError) {
  try writeBytes(words.map { $0.littleEndian }.withUnsafeBytes { Array($0) }, to: path)
}

/// Writes a whole file.
func writeBytes(_ bytes: [UInt8], to path: String) throws(PointFileError) {
  do throws(CheckpointError) {
    try AtomicFile.write(bytes, to: path)
  } catch {
    throw PointFileError(error, path: path)
  }
}
