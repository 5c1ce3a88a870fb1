import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct IDXImagesTests {
  /// Two images of 1 × 3 pixels, 1 to 6, and their classes, 7 and 1.
  static let images = header([2, 1, 3]) + [1, 2, 3, 4, 5, 6]
  static let labels = header([2]) + [7, 1]
  /// The same by Python's gzip.
  static let compressedImages = "H4sIAAAAAAACA2Ng4GBmYGBgAmJGIGZmZGJmYWUDALBDcP4WAAAA"
  static let compressedLabels = "H4sIAAAAAAACA2Ng4GBkYGBgYmcEAEgK2q0KAAAA"

  static func header(_ extents: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(extents.count)] + extents.flatMap { [0, 0, 0, $0] }
  }

  static func write(_ bytes: [UInt8], _ name: String, in folder: String) throws {
    try AtomicFile.write(bytes, to: folder + "/" + name)
  }

  @Test func plainAndCompressedFilesAreThePair() throws {
    let packedImages = [UInt8](try #require(Data(base64Encoded: Self.compressedImages)))
    let packedLabels = [UInt8](try #require(Data(base64Encoded: Self.compressedLabels)))
    try withTemporaryFolder { folder in
      #expect(!IDXImages.isThere(.training, in: folder))
      try Self.write(packedImages, "train-images-idx3-ubyte.gz", in: folder)
      try Self.write(packedLabels, "train-labels-idx1-ubyte.gz", in: folder)
      #expect(IDXImages.isThere(.training, in: folder))
      #expect(!IDXImages.isThere(.test, in: folder))
      let packed = try IDXImages(.training, in: folder)
      #expect(packed.pixels.shape == [2, 1, 3] && packed.pixels.elements == [1, 2, 3, 4, 5, 6])
      #expect(packed.labels.elements == [7, 1] && packed.path.hasSuffix("-ubyte.gz"))
      try Self.write(Self.header([1, 1, 1]) + [9], "train-images-idx3-ubyte", in: folder)
      try Self.write(Self.header([1]) + [3], "train-labels-idx1-ubyte", in: folder)
      let plain = try IDXImages(.training, in: folder)
      #expect(plain.pixels.elements == [9] && plain.labels.elements == [3])
      #expect(plain.path.hasSuffix("-ubyte"))
    }
  }

  @Test func theFirstImagesAreEnough() throws {
    try withTemporaryFolder { folder in
      try Self.write(Self.images, "t10k-images-idx3-ubyte", in: folder)
      try Self.write(Self.labels, "t10k-labels-idx1-ubyte", in: folder)
      let first = try IDXImages(.test, in: folder, first: 1)
      #expect(first.pixels.shape == [1, 1, 3] && first.labels.elements == [7])
      #expect(try IDXImages(.test, in: folder, first: 5).labels.elements == [7, 1])
    }
  }

  @Test func missingFilesAreNamed() throws {
    try withTemporaryFolder { folder in
      let images = folder + "/train-images-idx3-ubyte"
      #expect(throws: CheckpointError.unreadable(path: images, .missing)) {
        _ = try IDXImages(.training, in: folder)
      }
      try Self.write(Self.images, "train-images-idx3-ubyte", in: folder)
      let labels = folder + "/train-labels-idx1-ubyte"
      #expect(throws: CheckpointError.unreadable(path: labels, .missing)) {
        _ = try IDXImages(.training, in: folder)
      }
    }
  }

  static let damages: [(images: [UInt8], labels: [UInt8], text: String)] = [
    (header([2, 3]) + [1, 2, 3, 4, 5, 6], labels, "images [N × H × W] are needed"),
    (header([2, 1, 1, 3]) + [1, 2, 3, 4, 5, 6], labels, "images [N × H × W] are needed"),
    (header([0, 1, 3]), header([0]), "images [N × H × W] are needed"),
    (images, header([1]) + [7], "labels [N] of 2 images are needed"),
    (images, header([2, 1]) + [7, 1], "labels [N] of 2 images are needed"),
  ]

  @Test(arguments: damages)
  func whatDoesNotFitIsRefused(images: [UInt8], labels: [UInt8], text: String) throws {
    try withTemporaryFolder { folder in
      try Self.write(images, "t10k-images-idx3-ubyte", in: folder)
      try Self.write(labels, "t10k-labels-idx1-ubyte", in: folder)
      let error = #expect(throws: CheckpointError.self) { try IDXImages(.test, in: folder) }
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "none")")
    }
  }
}
