public import Checkpoints

/// Why a file of points or labels could not be read or written.
public enum PointFileError: Error, Equatable, Sendable {
  /// Where in a file something is wrong.
  public enum Place: Equatable, Sendable {
    /// The offset of a byte.
    case byte(Int)
    /// A line of the text, from 1.
    case line(Int)
    /// A point of the file, from 0.
    case point(Int)
  }

  /// The file cannot be opened or read.
  case unreadable(path: String, FileProblem)
  /// The file cannot be written; nothing of it was left behind.
  case unwritable(path: String, FileProblem)
  /// Neither the bytes nor the name tell what the file is.
  case unknownFormat(path: String)
  /// The file is what its name says, but this version does not read that.
  case unsupported(path: String, what: String, advice: String)
  /// The file breaks its format.
  case malformed(path: String, place: Place?, reason: String)
  /// The file declares more than its bytes can hold.
  case truncated(path: String, what: String, neededByteCount: Int, foundByteCount: Int)
  /// The points have no field that is needed.
  case missingField(path: String, name: String, available: [String])
  /// A file of labels belongs to another scan: it has not one label for each point.
  case labelCount(path: String, labelCount: Int, scanPath: String, pointCount: Int)
  /// A coordinate in metres is too large for single precision.
  case farCoordinate(path: String, point: Int, value: Double)

  /// The error of a file that could not be opened or written.
  init(_ error: CheckpointError, path: String) {
    switch error {
    case .unreadable(_, let problem): self = .unreadable(path: path, problem)
    case .unwritable(_, let problem): self = .unwritable(path: path, problem)
    case .json, .malformed, .unsupportedType, .missingTensor, .shapeMismatch, .inconvertible,
      .missingKey, .keyType:
      self = .malformed(path: path, place: nil, reason: "\(error)")
    }
  }
}

extension PointFileError: CustomStringConvertible {
  /// The file, the place in it, what is wrong, and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let problem): "read \(path): \(problem)"
    case .unwritable(let path, let problem): "write \(path): \(problem)"
    case .unknownFormat(let path):
      "\(path): no known format of points; known are KITTI (.bin), nuScenes (.pcd.bin), PCD, PLY "
        + "and LAS; name the format in the options if the file has another name"
    case .unsupported(let path, let what, let advice): "\(path): \(what) is not read; \(advice)"
    case .malformed(let path, let place, let reason):
      path + (place.map { ", \($0)" } ?? "") + ": " + reason
    case .truncated(let path, let what, let needed, let found):
      "\(path): \(what) need \(needed == .max ? "too many" : "\(needed)") bytes, "
        + "the file has \(found) for them: it is cut off, or its header is wrong"
    case .missingField(let path, let name, let available):
      "\(path): the points have no field \(name.quotedForMessage), they have "
        + available.prefix(32).map(\.quotedForMessage).joined(separator: ", ")
    case .labelCount(let path, let labelCount, let scanPath, let pointCount):
      "\(path): \(labelCount) labels for the \(pointCount) points of \(scanPath); "
        + "give the labels of this scan"
    case .farCoordinate(let path, let point, let value):
      "\(path), point \(point): coordinate \(value) m is too far from the origin for single "
        + "precision; give the sensor's position as origin in the options"
    }
  }
}

extension PointFileError.Place: CustomStringConvertible {
  /// The place in words.
  public var description: String {
    switch self {
    case .byte(let offset): "byte \(offset)"
    case .line(let number): "line \(number)"
    case .point(let index): "point \(index)"
    }
  }
}
