public import Tensor

/// Images and their classes out of a pair of IDX files, as MNIST and its relatives are distributed.
///
///     train-images-idx3-ubyte   train-labels-idx1-ubyte   the training set
///     t10k-images-idx3-ubyte    t10k-labels-idx1-ubyte    the test set
///
/// Each may be compressed by gzip, with `.gz` behind its name; the plain one is taken where both are
/// there.
public struct IDXImages: Sendable {
  /// One of the two sets, and what the names of its files begin with.
  public enum Part: String, CaseIterable, Sendable {
    /// The training set.
    case training = "train"
    /// The test set.
    case test = "t10k"

    fileprivate func images(in folder: String) -> String {
      "\(folder)/\(rawValue)-images-idx3-ubyte"
    }
    fileprivate func labels(in folder: String) -> String {
      "\(folder)/\(rawValue)-labels-idx1-ubyte"
    }
  }

  /// The file of the images.
  public let path: String
  /// The images: [N × H × W], or [N × 3 × H × W].
  public let pixels: Tensor<UInt8>
  /// The class of each image: [N].
  public let labels: Tensor<UInt8>

  /// Reads one of the sets in a folder.
  ///
  /// - Parameters:
  ///   - part: which one.
  ///   - folder: where its two files are.
  ///   - count: only so many of the first images, at least 1, as far as there are; nil takes all.
  /// - Throws: `CheckpointError`: `.unreadable` and `.missing` with the plain name where a file is
  ///   not there in either form, `.malformed` for other arrays than images and a label for each.
  public init(
    _ part: Part,
    in folder: String,
    first count: Int? = nil
  ) throws(CheckpointError) {
    path = try Self.required(part.images(in: folder))
    pixels = try Self.images(path: path, first: count)
    let labelPath = try Self.required(part.labels(in: folder))
    labels = try IDXFile.bytes(path: labelPath, first: count)
    guard labels.shape == [pixels.shape[0]] else {
      let needed = "labels [N] of \(pixels.shape[0]) images are needed"
      throw .malformed(labelPath, "bytes of shape \(labels.shape), \(needed)")
    }
  }

  /// Whether a folder has the images of a set.
  public static func isThere(_ part: Part, in folder: String) -> Bool {
    file(part.images(in: folder)) != nil
  }

  /// The images of an IDX file: [N × H × W], or [N × 3 × H × W].
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - count: only so many of the first ones, at least 1, as far as there are; nil takes all.
  /// - Returns: the pixels.
  /// - Throws: `CheckpointError` if it cannot be read or holds no images.
  public static func images(
    path: String,
    first count: Int? = nil
  ) throws(CheckpointError) -> Tensor<UInt8> {
    let pixels = try IDXFile.bytes(path: path, first: count)
    let isImages = pixels.rank == 3 || (pixels.rank == 4 && pixels.shape[1] == 3)
    guard isImages, pixels.count > 0 else {
      throw .malformed(path, "bytes of shape \(pixels.shape), images [N × H × W] are needed")
    }
    return pixels
  }

  /// The file, plain or compressed; nil for none.
  private static func file(_ path: String) -> String? {
    [path, path + ".gz"].first { isFolder(at: $0) != nil }
  }

  private static func required(_ path: String) throws(CheckpointError) -> String {
    guard let file = file(path) else { throw .unreadable(path: path, .missing) }
    return file
  }
}
