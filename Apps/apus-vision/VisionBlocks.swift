import Autograd
import Tensor

/// One convolution: the stem, and MobileNetV2's last features.
///
/// - Shapes: [S × I × H × W] to [S × O × H/stride × W/stride].
final class ConvolutionBlock: StackedBlock {
  let layer: NormedConvolution

  init(_ layer: NormedConvolution) { self.layer = layer }

  func callAsFunction(_ states: Variable) -> Variable { layer(states) }
}

/// ResNet's basic block: relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)).
///
/// The shortcut is x itself, or a 1 × 1 convolution where the shape changes.
///
/// - Shapes: [S × I × H × W] to [S × O × H/stride × W/stride].
/// - Source: He et al. 2016, "Deep Residual Learning for Image Recognition", figure 2.
final class ResidualBlock: StackedBlock {
  let first: NormedConvolution
  let second: NormedConvolution
  let shortcut: NormedConvolution?

  init(input: Int, output: Int, stride: Int, using generator: inout Philox) {
    let strided = ConvolutionOptions(stride: PlaneExtent(height: stride, width: stride))
    first = NormedConvolution(
      (input, output),
      kernel: 3,
      options: strided,
      rectifier: .relu,
      using: &generator
    )
    second = NormedConvolution((output, output), kernel: 3, rectifier: .none, using: &generator)
    shortcut =
      stride == 1 && input == output
      ? nil
      : NormedConvolution(
        (input, output),
        kernel: 1,
        options: strided,
        rectifier: .none,
        using: &generator
      )
  }

  func callAsFunction(_ states: Variable) -> Variable {
    let residual = second(first(states))
    return (residual + (shortcut.map { $0(states) } ?? states)).relu()
  }
}

/// MobileNetV2's block: a 1 × 1 convolution to more channels, a depthwise 3 × 3, a 1 × 1 without
/// rectifier back to few; x is added where the shape allows.
///
/// - Shapes: [S × I × H × W] to [S × O × H/stride × W/stride].
/// - Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 1.
final class InvertedResidualBlock: StackedBlock {
  let expansion: NormedConvolution
  let depthwise: NormedConvolution
  let projection: NormedConvolution
  private let isResidual: Bool

  init(input: Int, output: Int, stride: Int, factor: Int, using generator: inout Philox) {
    let width = factor * input
    expansion = NormedConvolution((input, width), kernel: 1, rectifier: .relu6, using: &generator)
    depthwise = NormedConvolution(
      (width, width),
      kernel: 3,
      options: ConvolutionOptions(
        stride: PlaneExtent(height: stride, width: stride),
        groups: width
      ),
      rectifier: .relu6,
      using: &generator
    )
    projection = NormedConvolution((width, output), kernel: 1, rectifier: .none, using: &generator)
    isResidual = stride == 1 && input == output
  }

  func callAsFunction(_ states: Variable) -> Variable {
    let features = projection(depthwise(expansion(states)))
    return isResidual ? features + states : features
  }
}

/// The mean of each channel, and a linear layer: logits of classes.
///
/// - Shapes: [S × C × H × W] to [S × classes].
final class ClassifierBlock: StackedBlock, LinearLayerOwner {
  var classifier: any LinearLayer

  static var linearLayers: [LinearLayerPath<ClassifierBlock>] { [("classifier", \.classifier)] }

  init(input: Int, classCount: Int, using generator: inout Philox) {
    classifier = Linear(inputWidth: input, outputWidth: classCount, using: &generator)
  }

  func callAsFunction(_ states: Variable) -> Variable { classifier(globalAveragePool2d(states)) }
}
