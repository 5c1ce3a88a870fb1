import Foundation
import ImageFiles
import Support
import Tensor

/// Reads image files into samples of one shape.
struct ImageReader {
  private(set) var target: ImageTarget
  let skipsUnreadable: Bool
  /// What a user can do about images of another size.
  let advice: String
  /// Files that were left out, and why.
  private(set) var skipped: [String] = []

  init(_ target: ImageTarget, skipsUnreadable: Bool, advice: String) {
    self.target = target
    self.skipsUnreadable = skipsUnreadable
    self.advice = advice
  }

  /// The images of some files and the indices of the files; those that were left out are missing.
  mutating func read(_ paths: [String]) throws -> (pixels: Tensor<UInt8>, kept: [Int]) {
    var (parts, kept): ([Tensor<UInt8>], [Int]) = ([], [])
    for (index, path) in paths.enumerated() {
      try Cancellation.check("nothing was written")
      do throws(ImageFileError) {
        let image = try DecodedImage(contentsOf: path)
        parts.append(try planes(image, path))
        kept.append(index)
      } catch {
        guard skipsUnreadable else {
          throw CommandFailure("\(error); repair it, or give --skip-unreadable")
        }
        skipped.append("\(error)")
      }
    }
    let pixels = parts.isEmpty ? Tensor<UInt8>(repeating: 0, shape: [0, 1, 1]) : .stacking(parts)
    return (pixels, kept)
  }

  /// One image [H × W] or [3 × H × W] in the size that all have.
  private mutating func planes(
    _ image: DecodedImage,
    _ path: String
  ) throws(ImageFileError) -> Tensor<UInt8> {
    let size = target.size ?? ImageSize(width: image.width, height: image.height)
    target.size = size
    guard target.resizes || (image.width == size.width && image.height == size.height) else {
      throw .unsupported(
        path: path,
        reason: "\(image.width)x\(image.height) pixels, expected \(size.text); \(advice)"
      )
    }
    let converted = target.isColour ? image.rgb() : image.grayscale()
    let pixels = converted.resized(width: size.width, height: size.height).pixels
    guard target.isColour else { return pixels.reshaped(to: [size.height, size.width]) }
    return pixels.permuted(2, 0, 1)
  }
}

/// The image files of a folder.
enum ImageFolder {
  private static let extensions: Set = ["png", "jpg", "jpeg"]

  static func isImage(_ path: String) -> Bool {
    extensions.contains(URL(filePath: path).pathExtension.lowercased())
  }

  /// The images of a folder and of all folders in it, by name.
  static func files(in folder: String) throws -> [String] {
    guard let found = FileManager.default.enumerator(atPath: folder) else {
      throw CommandFailure("cannot read the folder \(folder)")
    }
    var paths: [String] = []
    for case let path as String in found where isImage(path) {
      if !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
        paths.append(folder + "/" + path)
      }
    }
    guard !paths.isEmpty else {
      throw CommandFailure("\(folder): no PNG or JPEG files in it, and none of MNIST's files")
    }
    return paths.sorted()
  }

  /// The images of a folder, and the folder right inside it that each one lies in, where all lie in
  /// one.
  static func classes(in folder: String) throws -> (paths: [String], classes: [String]?) {
    let paths = try files(in: folder)
    let names = paths.map { path -> String? in
      let parts = path.dropFirst(folder.count + 1).split(separator: "/")
      return parts.count > 1 ? String(parts[0]) : nil
    }
    if names.allSatisfy({ $0 == nil }) { return (paths, nil) }
    if let stray = names.firstIndex(of: nil) {
      throw CommandFailure(
        "\(paths[stray]) lies beside folders of classes; move it into one of them"
      )
    }
    return (paths, names.compactMap { $0 })
  }
}
