import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Support
import Tensor

/// Where the images lie.
struct ImageArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("The folder of Fashion-MNIST's four files.", valueName: "folder")
  )
  var data: String?

  private var folder: String { data ?? SharedData.path("images/fashion-mnist") }

  /// Reads one part.
  func load(_ part: ImageSet.Part) throws -> ImageSet { try ImageSet(part, in: folder) }
}

/// Labelled images of one channel.
struct ImageSet {
  /// Which images.
  enum Part: String {
    case training = "train"
    case test = "t10k"
  }

  static let classCount = 10
  /// The mean and the deviation of the training images' pixels, in [0, 1].
  static let normalization: (mean: Float, deviation: Float) = (0.2860, 0.3530)

  /// [N × 1 × H × W], normalized.
  let images: Tensor<Float>
  /// [N].
  let labels: Tensor<Int32>

  init(_ part: Part, in folder: String) throws {
    let pixels = try Self.file("\(folder)/\(part.rawValue)-images-idx3-ubyte")
    let classes = try Self.file("\(folder)/\(part.rawValue)-labels-idx1-ubyte")
    guard pixels.rank == 3, classes.shape == [pixels.shape[0]],
      classes.elements.allSatisfy({ $0 < Self.classCount })
    else {
      throw CommandFailure(
        "\(folder): \(pixels.shape) pixels and \(classes.shape) labels are no images of "
          + "\(Self.classCount) classes; fetch the files again"
      )
    }
    let (mean, deviation) = Self.normalization
    images = Tensor(
      pixels.elements.map { (Float($0) / 255 - mean) / deviation },
      shape: [pixels.shape[0], 1, pixels.shape[1], pixels.shape[2]]
    )
    labels = Tensor(classes.elements.map { Int32($0) }, shape: classes.shape)
  }

  /// The bytes of a file, compressed or not.
  private static func file(_ path: String) throws -> Tensor<UInt8> {
    let found = [path + ".gz", path].first { FileManager.default.fileExists(atPath: $0) }
    guard let found else {
      throw CommandFailure(
        "no \(path).gz; set APUS_DATA to the folder that has images/fashion-mnist, or --data to "
          + "the folder of Fashion-MNIST's files"
      )
    }
    return try IDXFile.bytes(path: found)
  }

  /// The share of images whose largest logit is that of their label.
  func accuracy(_ logits: (Variable) throws -> Variable) throws -> Double {
    var correct = 0
    for start in stride(from: 0, to: labels.count, by: 250) {
      let range = start..<min(start + 250, labels.count)
      let found = try withoutGradients { try logits(Variable(images[range])).value.argMax(axis: 1) }
      correct += zip(found.elements, labels[range].elements).count { $0 == $1 }
    }
    return Double(correct) / Double(labels.count)
  }
}
