import Checkpoints

/// The formats of points that are read.
public enum PointFileFormat: String, Codable, Hashable, Sendable, CaseIterable {
  /// KITTI, SemanticKITTI, RELLIS-3D, conversions of Waymo: nothing but single-precision numbers.
  case kitti
  /// nuScenes's `.pcd.bin`: five numbers a point, in other axes.
  case nuScenes
  /// Point Cloud Data 0.5 to 0.7.
  case pcd
  /// Polygon file format 1.0.
  case ply
  /// ASPRS LAS 1.0 to 1.4.
  case las

  /// The format of a file, by its first bytes, and by its name where those say nothing.
  ///
  /// - Throws: `PointFileError.unreadable`, `.unsupported` for known files that are not read, and
  ///   `.unknownFormat`.
  public static func detected(at path: String) throws(PointFileError) -> PointFileFormat {
    try detected(MappedFile(pointsAt: path))
  }

  static func detected(_ file: MappedFile) throws(PointFileError) -> PointFileFormat {
    let (path, bytes) = (file.path, file.bytes)
    if bytes.starts(with: "LASF".utf8) { return .las }
    if bytes.starts(with: "ply\n".utf8) || bytes.starts(with: "ply\r".utf8) { return .ply }
    if beginsAsPCD(bytes) { return .pcd }
    let name = path.lowercased()
    if let (what, advice) = refusal(ofName: name) {
      throw .unsupported(path: path, what: what, advice: advice)
    }
    if name.hasSuffix("_lidarseg.bin") {
      throw .unsupported(
        path: path,
        what: "a file of labels as points",
        advice: "give the scan, and this as its labelPath"
      )
    }
    if name.hasSuffix(".pcd.bin") { return .nuScenes }
    let endings: [(String, PointFileFormat)] = [
      (".bin", .kitti), (".pcd", .pcd), (".ply", .ply), (".las", .las), (".laz", .las),
    ]
    for (ending, format) in endings where name.hasSuffix(ending) { return format }
    throw .unknownFormat(path: path)
  }
}

/// Whether a text begins like the header of a PCD file: comments, then VERSION or FIELDS.
private func beginsAsPCD(_ bytes: UnsafeRawBufferPointer) -> Bool {
  var lines = HeaderLines(bytes, limit: 4096)
  while let line = lines.next() {
    if line.isEmpty || line.hasPrefix("#") { continue }
    let word = line.split(separator: " ").first
    return word == "VERSION" || word == "FIELDS" || word == "COLUMNS"
  }
  return false
}

/// What a file of a known ending is that is not read, and what to do about it.
private func refusal(ofName name: String) -> (what: String, advice: String)? {
  if name.hasSuffix(".tfrecord") || name.hasSuffix(".parquet") {
    return ("Waymo's container", "convert its frames to KITTI's layout (six numbers a point)")
  }
  if name.hasSuffix(".npz") {
    return ("a panoptic file of nuScenes as points", "give the scan, and this as its labelPath")
  }
  if name.hasSuffix(".gz") || name.hasSuffix(".zip") || name.hasSuffix(".zst") {
    return ("an archive", "unpack it first")
  }
  if name.hasSuffix(".npy") {
    return ("a NumPy array", "write it with tofile() as single-precision x, y, z, intensity")
  }
  if name.hasSuffix(".label") {
    return ("a file of labels as points", "give the scan, and this as its labelPath")
  }
  return nil
}

extension MappedFile {
  /// Opens a file of points or labels.
  convenience init(pointsAt path: String) throws(PointFileError) {
    do throws(CheckpointError) {
      try self.init(path: path)
    } catch {
      throw PointFileError(error, path: path)
    }
  }
}
