import ArgumentParser
import Autograd
import Tensor

/// What a block is made of.
enum BlockShape: Hashable, Sendable {
  case convolution(input: Int, output: Int, kernel: Int, stride: Int, Rectifier)
  case residual(input: Int, output: Int, stride: Int)
  case inverted(input: Int, output: Int, stride: Int, factor: Int)
  case classifier(input: Int)

  func makeBlock(using generator: inout Philox) -> any StackedBlock {
    switch self {
    case .convolution(let input, let output, let kernel, let stride, let rectifier):
      ConvolutionBlock(
        NormedConvolution(
          (input, output),
          kernel: kernel,
          options: ConvolutionOptions(stride: PlaneExtent(height: stride, width: stride)),
          rectifier: rectifier,
          using: &generator
        )
      )
    case .residual(let input, let output, let stride):
      ResidualBlock(input: input, output: output, stride: stride, using: &generator)
    case .inverted(let input, let output, let stride, let factor):
      InvertedResidualBlock(
        input: input,
        output: output,
        stride: stride,
        factor: factor,
        using: &generator
      )
    case .classifier(let input):
      ClassifierBlock(input: input, classCount: ImageSet.classCount, using: &generator)
    }
  }
}

/// The nets, sized for 28 × 28 pixels and a few minutes of one core.
enum Architecture: String, Codable, CaseIterable, ExpressibleByArgument {
  /// ResNet's basic blocks, 16, 32 and 64 channels wide, behind a strided stem.
  case resnet
  /// MobileNetV2's inverted residuals, six times expanded, behind a strided stem.
  case mobilenet

  /// The blocks as a quantizer takes them: the stem and the classifier, which keep 8 bits, alone.
  var shapes: [BlockShape] {
    switch self {
    case .resnet:
      [
        .convolution(input: 1, output: 16, kernel: 3, stride: 2, .relu),
        .residual(input: 16, output: 16, stride: 1),
        .residual(input: 16, output: 16, stride: 1),
        .residual(input: 16, output: 32, stride: 2),
        .residual(input: 32, output: 32, stride: 1),
        .residual(input: 32, output: 64, stride: 2),
        .residual(input: 64, output: 64, stride: 1),
        .classifier(input: 64),
      ]
    case .mobilenet:
      [
        .convolution(input: 1, output: 16, kernel: 3, stride: 2, .relu6),
        .inverted(input: 16, output: 24, stride: 2, factor: 6),
        .inverted(input: 24, output: 24, stride: 1, factor: 6),
        .inverted(input: 24, output: 40, stride: 2, factor: 6),
        .inverted(input: 40, output: 40, stride: 1, factor: 6),
        .convolution(input: 40, output: 160, kernel: 1, stride: 1, .relu6),
        .classifier(input: 160),
      ]
    }
  }
}

/// A classifier of images as a stack of blocks.
///
/// - Shapes: images [S × 1 × 28 × 28], logits [S × 10].
final class VisionNet: Module, BlockStack {
  typealias Element = Float

  let architecture: Architecture
  let blocks: [any StackedBlock]
  /// Whether batch norms have been folded into the convolutions in front of them.
  private(set) var isFolded = false

  init(_ architecture: Architecture, using generator: inout Philox) {
    self.architecture = architecture
    blocks = architecture.shapes.map { $0.makeBlock(using: &generator) }
  }

  func callAsFunction(_ images: Variable) -> Variable { blocks.reduce(images) { $1($0) } }

  /// Folds all batch norms.
  func fold() {
    blocks.forEach(Self.fold)
    isFolded = true
  }

  private static func fold(_ block: any Module) {
    for entry in block.namedModules() { (entry.module as? NormedConvolution)?.fold() }
  }

  // MARK: - Block by block

  var blockCount: Int { blocks.count }

  func embedding(_ samples: Tensor<Float>) -> Tensor<Float> { samples }

  func block(_ index: Int) throws -> any StackedBlock {
    var generator = Philox(seed: 0)
    let block = architecture.shapes[index].makeBlock(using: &generator)
    if isFolded { Self.fold(block) }
    try block.load(blocks[index].state())
    block.eval()
    return block
  }

  func head(_ states: Variable) -> Variable { states }

  func checkpointName(of path: String, inBlock index: Int) -> String { "blocks.\(index).\(path)" }
}
