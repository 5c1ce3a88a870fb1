public import Autograd
public import Tensor

/// Batch norm over the rows of all scans.
///
/// A single row has no variance: where a level is left with fewer than two, as a small scan's
/// coarsest level may be, the running statistics count and stay.
func normalized(_ x: Variable, by norm: BatchNorm) -> Variable {
  guard norm.isTraining, x.shape[0] < 2 else { return norm(x) }
  let statistics = RunningStatistics(
    mean: norm.runningMean.value,
    variance: norm.runningVariance.value
  )
  return batchNorm(
    x,
    weight: norm.weight.variable,
    bias: norm.bias.variable,
    using: statistics,
    epsilon: norm.epsilon
  )
}

/// Convolution, batch norm, ReLU on the same sites.
public final class SparseConvolutionUnit: Module {
  /// The convolution, without a bias.
  public let convolution: SubmanifoldConvolution
  /// The norm of its channels.
  public let norm: BatchNorm

  init(_ options: SparseConvolutionOptions, using generator: inout Philox) {
    convolution = SubmanifoldConvolution(options, using: &generator)
    norm = BatchNorm(channels: options.outputChannels)
  }

  /// The features of the same sites.
  public func callAsFunction(_ input: SparseTensor) -> SparseTensor {
    convolution(input).map { normalized($0, by: norm).relu() }
  }
}

/// conv3 – norm – ReLU – conv3 – norm, plus the input, ReLU.
///
/// Where the width changes the input goes through a matrix and a norm of its own.
public final class SparseResidualBlock: Module {
  /// The first convolution.
  public let convolution1: SubmanifoldConvolution
  /// The norm after the first convolution.
  public let norm1: BatchNorm
  /// The second convolution.
  public let convolution2: SubmanifoldConvolution
  /// The norm after the second convolution.
  public let norm2: BatchNorm
  /// The input's matrix, or nil where the width stays.
  public let projection: Linear?
  /// The norm after the matrix, or nil where the width stays.
  public let projectionNorm: BatchNorm?

  /// A block from one width to another.
  public init(
    inputWidth: Int,
    outputWidth: Int,
    initializer: SparseInitializer = .presentNeighbours,
    using generator: inout Philox
  ) {
    var options = SparseConvolutionOptions(
      inputChannels: inputWidth,
      outputChannels: outputWidth,
      kernelSize: 3,
      initializer: initializer
    )
    convolution1 = SubmanifoldConvolution(options, using: &generator)
    options.inputChannels = outputWidth
    convolution2 = SubmanifoldConvolution(options, using: &generator)
    (norm1, norm2) = (BatchNorm(channels: outputWidth), BatchNorm(channels: outputWidth))
    if inputWidth == outputWidth {
      (projection, projectionNorm) = (nil, nil)
    } else {
      let shape: Shape = [1, inputWidth, outputWidth]
      let weight = initializer(shape, neighbours: 1, using: &generator)
      let matrix = weight.reshaped(to: [inputWidth, outputWidth]).transposed()
      projection = Linear(weight: Parameter(matrix))
      projectionNorm = BatchNorm(channels: outputWidth)
    }
  }

  /// The features of the same sites.
  public func callAsFunction(_ input: SparseTensor) -> SparseTensor {
    let hidden = convolution1(input).map { normalized($0, by: norm1).relu() }
    return convolution2(hidden).map { (normalized($0, by: norm2) + skip(input.features)).relu() }
  }

  private func skip(_ x: Variable) -> Variable {
    guard let projection, let projectionNorm else { return x }
    return normalized(projection(x), by: projectionNorm)
  }
}

/// A level of the encoder: a step down to half the resolution, then residual blocks.
public final class SparseEncoderLevel: Module {
  /// The step down.
  public let down: StridedSparseConvolution
  /// The norm after the step.
  public let downNorm: BatchNorm
  /// The blocks.
  public let blocks: [SparseResidualBlock]

  init(
    _ options: SparseConvolutionOptions,
    outputWidth: Int,
    blockCount: Int,
    using generator: inout Philox
  ) {
    down = StridedSparseConvolution(options, using: &generator)
    downNorm = BatchNorm(channels: options.outputChannels)
    blocks = residualBlocks(
      [options.outputChannels, outputWidth],
      blockCount,
      options.initializer,
      using: &generator
    )
  }

  /// The features of the coarser sites.
  public func callAsFunction(_ input: SparseTensor) -> SparseTensor {
    let stepped = down(input).map { normalized($0, by: downNorm).relu() }
    return blocks.reduce(stepped) { value, block in block(value) }
  }
}

/// A level of the decoder: a step up, joined with the encoder's features, then residual blocks.
public final class SparseDecoderLevel: Module {
  /// The step up.
  public let up: InverseSparseConvolution
  /// The norm after the step.
  public let upNorm: BatchNorm
  /// The blocks.
  public let blocks: [SparseResidualBlock]

  init(
    _ options: SparseConvolutionOptions,
    skipWidth: Int,
    blockCount: Int,
    using generator: inout Philox
  ) {
    up = InverseSparseConvolution(options, using: &generator)
    upNorm = BatchNorm(channels: options.outputChannels)
    blocks = residualBlocks(
      [options.outputChannels + skipWidth, options.outputChannels],
      blockCount,
      options.initializer,
      using: &generator
    )
  }

  /// The features of the sites of `skip`.
  public func callAsFunction(_ input: SparseTensor, joining skip: SparseTensor) -> SparseTensor {
    let stepped = up(input, onto: skip.sites).map { normalized($0, by: upNorm).relu() }
    return blocks.reduce(stepped.joined(with: skip)) { value, block in block(value) }
  }
}

/// Blocks of which the first goes from widths[0] to widths[1].
private func residualBlocks(
  _ widths: [Int],
  _ count: Int,
  _ initializer: SparseInitializer,
  using generator: inout Philox
) -> [SparseResidualBlock] {
  (0..<count).map { index in
    SparseResidualBlock(
      inputWidth: index == 0 ? widths[0] : widths[1],
      outputWidth: widths[1],
      initializer: initializer,
      using: &generator
    )
  }
}
