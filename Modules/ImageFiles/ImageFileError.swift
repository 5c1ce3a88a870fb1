public import Checkpoints

/// Why an image could not be read or written.
public enum ImageFileError: Error, Equatable, Sendable {
  /// The file cannot be opened, read or written.
  case file(CheckpointError)
  /// The file begins neither as PNG nor as JPEG.
  case unknownFormat(path: String)
  /// The file breaks its format, or is cut off.
  case malformed(path: String, reason: String)
  /// The file holds a kind of image that is not read.
  case unsupported(path: String, reason: String)
  /// The image has more pixels than the caller allows.
  case tooLarge(path: String, width: Int, height: Int, pixelLimit: Int)
  /// There is no memory left.
  case memory(path: String)
}

extension ImageFileError: CustomStringConvertible {
  /// The file, what is wrong, and what to do.
  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .unknownFormat(let path): "\(path): neither PNG nor JPEG"
    case .malformed(let path, let reason): "\(path): damaged or cut off: \(reason)"
    case .unsupported(let path, let reason): "\(path): \(reason)"
    case .tooLarge(let path, let width, let height, let limit):
      "\(path): \(width)×\(height) pixels, at most \(limit) pixels are allowed"
    case .memory(let path): "\(path): no memory left for the image"
    }
  }

  /// The file that is at fault; nil where an image was to be written.
  public var path: String? {
    switch self {
    case .file(.unreadable(let path, _)), .file(.unwritable(let path, _)): path
    case .file: nil
    case .unknownFormat(let path), .malformed(let path, _), .unsupported(let path, _),
      .tooLarge(let path, _, _, _), .memory(let path):
      path
    }
  }
}
