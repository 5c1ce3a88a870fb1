import Federated
import Foundation
import Tensor

/// Images of 8 × 8 pixels of two classes: bright above, and bright below.
enum SmallFederation {
  static func images(
    _ count: Int,
    seed: UInt64
  ) -> (pixels: Tensor<UInt8>, labels: [Int32]) {
    var generator = Philox(seed: seed)
    let labels = (0..<count).map { Int32($0 % 2) }
    let pixels = labels.flatMap { label in
      (0..<64).map { place in
        let isBright = (place < 32) == (label == 1)
        return UInt8(generator.integer(below: 100) + (isBright ? 120 : 0))
      }
    }
    return (Tensor(pixels, shape: [count, 8, 8]), labels)
  }

  /// A task that a small perceptron learns in a few rounds.
  static func task() throws -> ImageTask {
    var configuration = ImageTask.Configuration()
    configuration.network = .perceptron(hidden: [12])
    return try ImageTask(
      name: "halves",
      training: images(120, seed: 1),
      test: images(60, seed: 2),
      configuration
    )
  }

  /// Writes a folder with the four files of MNIST that holds these images.
  static func write(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, count, seed) in [("train", 1000, UInt64(1)), ("t10k", 200, 2)] {
      let (pixels, labels) = images(count, seed: seed)
      let files = [
        ("images-idx3", pixels.shape.extents, pixels.elements),
        ("labels-idx1", [count], labels.map { UInt8($0) }),
      ]
      for (kind, extents, bytes) in files {
        // 00 00 08 rank, then big-endian extents.
        let sizes = extents.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] as [UInt8] }
        let header: [UInt8] = [0, 0, 8, UInt8(extents.count)] + sizes
        try Data(header + bytes).write(to: URL(filePath: "\(folder)/\(name)-\(kind)-ubyte"))
      }
    }
  }
}
