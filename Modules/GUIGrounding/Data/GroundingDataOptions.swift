/// How much of the images is looked at while annotations are loaded.
public enum ImageChecking: String, Codable, Sendable {
  /// Nothing: images may be missing. Layouts by shares keep them where a row says no size.
  case annotationsOnly
  /// The extents in the header of every image; a missing or damaged header is an error.
  case size
  /// The same, but rows of images that cannot be read stay, with what they say themselves: whoever opens the
  /// image meets the fault.
  case readableSize
  /// Every image is decoded, and must be whole.
  case decode
}

/// What happens to a row that breaks its layout.
public enum BadRowRule: String, Codable, Sendable {
  /// Loading ends with an error that names it.
  case fail
  /// It is left out and listed.
  case skip
}

/// How annotations are loaded.
public struct GroundingDataOptions: Sendable {
  /// Where the images are; nil for the folder of the annotations.
  public var imageFolder: String?
  /// How much of the images is looked at.
  public var images = ImageChecking.size
  /// What happens to bad rows.
  public var badRows = BadRowRule.fail
  /// The most pixels that an image may have.
  public var pixelLimit = RGBImage.standardPixelLimit
  /// The most items that are read; nil for all.
  public var itemLimit: Int?
  /// The extents of images that are known beforehand, by the path in the rows.
  public var imageSizes: [String: PixelSize] = [:]
  /// How far from the point of a target without a box a click is right, in pixels.
  public var pointRadius: Double?
  /// What the numbers in the answers of `conversations` mean.
  public var convention = CoordinateConvention(.unit)

  /// The usual options: sizes are checked, a bad row is an error.
  public init() {}
}

/// A row that was left out.
public struct GroundingRowIssue: Hashable, Codable, Sendable {
  /// The file.
  public var path: String
  /// The row, from 1: of the list, or the line.
  public var row: Int
  /// What is wrong with it.
  public var reason: String
}

/// Why a data set could not be loaded.
public enum GroundingDataError: Error, Equatable, Sendable {
  /// A file of annotations cannot be read, or is no JSON.
  case unreadable(path: String, reason: String)
  /// A folder without files of annotations.
  case noFiles(folder: String)
  /// A row breaks its layout.
  case row(GroundingRowIssue)
  /// An image cannot be used.
  case image(path: String, reason: String)
}

extension GroundingDataError: CustomStringConvertible {
  /// The file, the row, and what is wrong there.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .noFiles(let folder): "\(folder): no .json or .jsonl file with annotations"
    case .row(let issue): "\(issue.path), row \(issue.row): \(issue.reason)"
    case .image(let path, let reason): "image \(path): \(reason)"
    }
  }
}
