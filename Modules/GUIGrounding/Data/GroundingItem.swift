/// In which unit an item's target is written.
public enum TargetUnit: String, Codable, Sendable {
  /// Pixels of the image.
  case pixels
  /// Shares of the image's sides: the size of the image is not known yet.
  case shares
}

/// One instruction on one image, and what it means there.
public struct GroundingItem: Codable, Hashable, Sendable {
  /// Unique in its data set.
  public var id: String
  /// The image, relative to the folder of images.
  public var imagePath: String
  /// The extents of the image; nil where neither the row nor the image said so.
  public var imageSize: PixelSize?
  /// What to click.
  public var instruction: String
  /// What it means.
  public var target: GroundingTarget
  /// The unit of the target.
  public var unit: TargetUnit
  /// The role of the element: link, button and so on.
  public var kind: String?
  /// How the element is drawn: text, icon and so on.
  public var dataType: String?
  /// mobile, desktop or web; or the operating system.
  public var platform: String?
  /// The field of the application: Dev, Creative, CAD and so on.
  public var group: String?
  /// The application.
  public var application: String?
  /// Where the row came from, as the data set calls it.
  public var source: String?
  /// The rank among equal elements, from 0; nil for an element of its own.
  public var ordinal: Int?
  /// The part of the data set: train, test and so on.
  public var split: String?
  /// The accessible name of the element.
  public var name: String?
  /// The nearest landmark of the page.
  public var region: String?

  /// An item; the attributes that are not given are unknown.
  public init(
    id: String,
    imagePath: String,
    imageSize: PixelSize?,
    instruction: String,
    target: GroundingTarget,
    unit: TargetUnit = .pixels
  ) {
    self.id = id
    self.imagePath = imagePath
    self.imageSize = imageSize
    self.instruction = instruction
    self.target = target
    self.unit = unit
  }
}
