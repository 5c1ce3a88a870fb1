import Autograd
import Tensor

/// What bounds the features of a convolution.
enum Rectifier: String, Codable, Hashable, Sendable {
  /// Nothing.
  case none
  /// max(x, 0), ResNet's.
  case relu
  /// min(max(x, 0), 6), MobileNet's.
  case relu6

  func callAsFunction(_ x: Variable) -> Variable {
    switch self {
    case .none: x
    case .relu: x.relu()
    case .relu6: x.clamped(to: 0...6)
    }
  }
}

/// A convolution without bias, a batch norm and a rectifier; after `fold()` a convolution with bias
/// and the rectifier.
final class NormedConvolution: ConvolutionLayerOwner {
  var convolution: any ConvolutionLayer
  private(set) var norm: BatchNorm?
  let rectifier: Rectifier

  static var convolutionLayers: [ConvolutionLayerPath<NormedConvolution>] {
    [("convolution", \.convolution)]
  }

  /// A layer whose features are as large as its images, divided by the stride.
  init(
    _ channels: (input: Int, output: Int),
    kernel: Int,
    options: ConvolutionOptions = ConvolutionOptions(),
    rectifier: Rectifier,
    using generator: inout Philox
  ) {
    var options = options
    options.padding = PlaneExtent(height: kernel / 2, width: kernel / 2)
    convolution = Conv2d(
      inputChannels: channels.input,
      outputChannels: channels.output,
      kernel: PlaneExtent(height: kernel, width: kernel),
      options: options,
      hasBias: false,
      using: &generator
    )
    norm = BatchNorm(channels: channels.output)
    self.rectifier = rectifier
  }

  func callAsFunction(_ x: Variable) -> Variable {
    let features = convolution(x)
    return rectifier(norm.map { $0(features) } ?? features)
  }

  /// Moves the norm into the convolution; nothing where that has been done.
  func fold() {
    guard let norm, let dense = convolution as? Conv2d else { return }
    convolution = dense.folding(norm)
    self.norm = nil
  }
}
