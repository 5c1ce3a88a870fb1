import Foundation
import Tensor

/// Instructions on screenshots, with what they mean: for evaluation and training.
///
///     let data = try GroundingDataset.load("screenspot-pro/annotations", layout: .screenSpotPro)
///     let image = try data.image(data.items[0])
///
/// A path is a file, a list of JSON or JSON lines, or a folder of such files, which are read in the
/// order of their names.
public struct GroundingDataset: Sendable {
  /// The layout of the annotations.
  public let layout: GroundingLayout
  /// The files that were read.
  public let files: [String]
  /// Where the images are.
  public let imageFolder: String
  /// The items in the order of the files.
  public var items: [GroundingItem]
  /// Rows that were left out because they break the layout.
  public let skipped: [GroundingRowIssue]
  /// Rows and answers that are no task of grounding, and were left out.
  public let otherTaskCount: Int
  /// The most pixels that an image may have.
  public let pixelLimit: Int

  /// Loads annotations.
  ///
  /// - Parameters:
  ///   - path: a file or a folder.
  ///   - layout: what the rows look like.
  ///   - options: where the images are, and what is checked.
  /// - Returns: the data set; in it every name occurs once.
  /// - Throws: `GroundingDataError`, naming file and row.
  public static func load(
    _ path: String,
    layout: GroundingLayout,
    options: GroundingDataOptions = GroundingDataOptions()
  ) throws(GroundingDataError) -> GroundingDataset {
    let files = try annotationFiles(path, layout)
    let folder = options.imageFolder ?? parentFolder(of: files[0])
    var reading = GroundingReading(layout: layout, options: options, imageFolder: folder)
    for file in files { try reading.read(file) }
    return GroundingDataset(
      layout: layout,
      files: files,
      imageFolder: folder,
      items: reading.items,
      skipped: reading.skipped,
      otherTaskCount: reading.otherTaskCount,
      pixelLimit: options.pixelLimit
    )
  }

  /// Where an item's image is.
  public func imagePath(_ item: GroundingItem) -> String {
    item.imagePath.hasPrefix("/") ? item.imagePath : imageFolder + "/" + item.imagePath
  }

  /// Reads an item's image.
  ///
  /// - Throws: `GroundingDataError.image` where it is missing, damaged or too large, or has another
  ///   size than the item says.
  public func image(_ item: GroundingItem) throws(GroundingDataError) -> RGBImage {
    let path = imagePath(item)
    let image = try readImage(path, pixelLimit: pixelLimit)
    if let size = item.imageSize, size != image.size {
      throw .image(path: path, reason: "\(image.size) pixels, the annotation says \(size)")
    }
    return image
  }

  /// The items of one part, such as `test`.
  public func items(split: String) -> [GroundingItem] { items.filter { $0.split == split } }
}

/// Reads an image; every fault becomes an error of the data set.
func readImage(_ path: String, pixelLimit: Int) throws(GroundingDataError) -> RGBImage {
  do { return try RGBImage(contentsOf: path, pixelLimit: pixelLimit) } catch {
    throw .image(path: path, reason: "\(error)")
  }
}

private func parentFolder(of path: String) -> String {
  let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
  return folder
}

/// The files that a path means.
private func annotationFiles(
  _ path: String,
  _ layout: GroundingLayout
) throws(GroundingDataError) -> [String] {
  var isFolder = ObjCBool(false)
  guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
    throw .unreadable(path: path, reason: "there is no such file or folder")
  }
  guard isFolder.boolValue else { return [path] }
  let names: [String]
  do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
    throw .unreadable(path: path, reason: "the folder cannot be listed")
  }
  if layout == .native, names.contains("elements.jsonl") { return [path + "/elements.jsonl"] }
  let files = names.filter { name in
    !name.hasPrefix(".") && (name.hasSuffix(".json") || name.hasSuffix(".jsonl"))
  }
  guard !files.isEmpty else { throw .noFiles(folder: path) }
  return files.sorted().map { path + "/" + $0 }
}
