public import Autograd
public import Tensor

/// A residual U-Net on the active sites of a volume: a class score for every voxel.
///
///     stem: conv – norm – ReLU, once or more
///     encoder level: conv 2³ stride 2 – norm – ReLU, residual blocks
///     decoder level: inverse conv 2³ – norm – ReLU, join with the encoder, residual blocks
///     head: linear
///
/// Checkpoint paths: `stem.0.convolution.weight`, `encoder.0.down.weight`,
/// `encoder.0.blocks.0.convolution1.weight`, `decoder.0.up.weight`, `head.weight`.
///
/// - Shapes: features [N × inputWidth], result [N × classCount].
/// - Source: Choy et al. 2019, "4D Spatio-Temporal ConvNets", figure 3 (MinkUNet).
public final class SparseUNet: Module {
  /// The shape of the network.
  public typealias Configuration = SparseUNetConfiguration

  /// The shape of this network.
  public let configuration: Configuration
  /// The convolutions at full resolution.
  public let stem: [SparseConvolutionUnit]
  /// The levels on the way down, the finest first.
  public let encoder: [SparseEncoderLevel]
  /// The levels on the way up, the coarsest first.
  public let decoder: [SparseDecoderLevel]
  /// The scores of the classes.
  public let head: Linear

  /// A network that starts from random numbers.
  public init(_ configuration: Configuration, using generator: inout Philox) {
    let flaw = configuration.flaw
    expect(flaw == nil, "sparse U-Net: \(flaw ?? "")")
    self.configuration = configuration
    var width = configuration.inputWidth
    stem = configuration.stemWidths.map { next in
      let options = configuration.options(width, next, configuration.stemKernelSize)
      defer { width = next }
      return SparseConvolutionUnit(options, using: &generator)
    }
    var skips: [Int] = []
    encoder = configuration.encoderWidths.indices.map { level in
      skips.append(width)
      let options = configuration.options(width, configuration.downWidths?[level] ?? width, 2)
      width = configuration.encoderWidths[level]
      return SparseEncoderLevel(
        options,
        outputWidth: width,
        blockCount: configuration.encoderBlocks[level],
        using: &generator
      )
    }
    decoder = configuration.decoderWidths.indices.map { level in
      let options = configuration.options(width, configuration.decoderWidths[level], 2)
      width = configuration.decoderWidths[level]
      return SparseDecoderLevel(
        options,
        skipWidth: skips.removeLast(),
        blockCount: configuration.decoderBlocks[level],
        using: &generator
      )
    }
    head = Linear(inputWidth: width, outputWidth: configuration.classCount, using: &generator)
  }

  /// The features before the head, on the same sites.
  public func features(_ input: SparseTensor) -> SparseTensor {
    stages.reduce(SparseUNetState(input)) { state, stage in self(stage, state) }.value
  }

  /// A score for every class and site [N × classCount].
  public func callAsFunction(_ input: SparseTensor) -> Variable {
    expect(
      input.channelCount == configuration.inputWidth,
      "sparse U-Net: \(input.channelCount) channels, \(configuration.inputWidth) are needed"
    )
    return head(features(input).features)
  }
}

extension SparseUNetConfiguration {
  fileprivate func options(_ input: Int, _ output: Int, _ kernel: Int) -> SparseConvolutionOptions {
    SparseConvolutionOptions(
      inputChannels: input,
      outputChannels: output,
      kernelSize: kernel,
      initializer: initializer
    )
  }
}
