import ArgumentParser
import Autograd
import Checkpoints
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
  func load(_ part: IDXImages.Part) throws -> ImageSet { try ImageSet(part, in: folder) }
}

/// Labelled images of one channel.
struct ImageSet {
  static let classCount = 10

  /// [N × 1 × H × W], normalized.
  let images: Tensor<Float>
  /// [N].
  let labels: Tensor<Int32>

  init(_ part: IDXImages.Part, in folder: String) throws {
    let found = try Self.read(part, in: folder)
    let (pixels, classes) = (found.pixels, found.labels)
    guard pixels.rank == 3, classes.elements.allSatisfy({ $0 < Self.classCount }) else {
      throw CommandFailure(
        "\(folder): \(pixels.shape) pixels and \(classes.shape) labels are no images of "
          + "\(Self.classCount) classes; fetch the files again"
      )
    }
    let (mean, deviation) = SharedData.fashionPixels
    images = Tensor(
      pixels.elements.map { (Float($0) / 255 - mean) / deviation },
      shape: [pixels.shape[0], 1, pixels.shape[1], pixels.shape[2]]
    )
    labels = Tensor(classes.elements.map { Int32($0) }, shape: classes.shape)
  }

  private static func read(_ part: IDXImages.Part, in folder: String) throws -> IDXImages {
    do throws(CheckpointError) { return try IDXImages(part, in: folder) } catch {
      guard case .unreadable(let path, .missing) = error else { throw error }
      throw CommandFailure(
        "no \(path), nor \(path).gz; set APUS_DATA to the folder that has images/fashion-mnist, or "
          + "--data to the folder of Fashion-MNIST's files"
      )
    }
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
