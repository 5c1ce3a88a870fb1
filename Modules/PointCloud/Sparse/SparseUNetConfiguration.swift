/// The shape of a sparse U-Net.
///
/// Level i of the encoder halves the resolution, keeps the width (or takes it to `downWidths[i]`) and
/// ends in `encoderWidths[i]`; level i of the decoder doubles it, takes the width to
/// `decoderWidths[i]`, joins what the encoder had there, and ends in `decoderWidths[i]`.
public struct SparseUNetConfiguration: Codable, Hashable, Sendable {
  /// The channels of the input.
  public var inputWidth: Int
  /// The number of classes: the channels of the output.
  public var classCount: Int
  /// The edge of the stem's kernels.
  public var stemKernelSize: Int
  /// The widths of the stem's convolutions.
  public var stemWidths: [Int]
  /// The width of each level of the encoder, the finest first.
  public var encoderWidths: [Int]
  /// The width of each level of the decoder, the coarsest first.
  public var decoderWidths: [Int]
  /// The residual blocks of each level of the encoder.
  public var encoderBlocks: [Int]
  /// The residual blocks of each level of the decoder.
  public var decoderBlocks: [Int]
  /// The width after each step down; nil keeps the width from before the step.
  public var downWidths: [Int]?
  /// What the convolutions start from.
  public var initializer: SparseInitializer

  /// A network with one residual block a level, unless other numbers are given.
  public init(
    inputWidth: Int,
    classCount: Int,
    stemKernelSize: Int = 3,
    stemWidths: [Int],
    encoderWidths: [Int],
    decoderWidths: [Int],
    encoderBlocks: [Int]? = nil,
    decoderBlocks: [Int]? = nil,
    downWidths: [Int]? = nil,
    initializer: SparseInitializer = .presentNeighbours
  ) {
    self.inputWidth = inputWidth
    self.classCount = classCount
    self.stemKernelSize = stemKernelSize
    self.stemWidths = stemWidths
    self.encoderWidths = encoderWidths
    self.decoderWidths = decoderWidths
    self.encoderBlocks = encoderBlocks ?? encoderWidths.map { _ in 1 }
    self.decoderBlocks = decoderBlocks ?? decoderWidths.map { _ in 1 }
    self.downWidths = downWidths
    self.initializer = initializer
  }

  /// 0.2 M parameters: for tests and quick experiments.
  public static func tiny(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    SparseUNetConfiguration(
      inputWidth: inputWidth,
      classCount: classCount,
      stemWidths: [12],
      encoderWidths: [16, 24, 32],
      decoderWidths: [24, 16, 12]
    )
  }

  /// 0.38 M parameters: the default on a CPU.
  public static func small(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    SparseUNetConfiguration(
      inputWidth: inputWidth,
      classCount: classCount,
      stemWidths: [16],
      encoderWidths: [24, 32, 48],
      decoderWidths: [32, 24, 16]
    )
  }

  /// 3.06 M parameters.
  public static func base(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    SparseUNetConfiguration(
      inputWidth: inputWidth,
      classCount: classCount,
      stemWidths: [32, 32],
      encoderWidths: [32, 64, 96, 128],
      decoderWidths: [96, 64, 32, 32]
    )
  }

  /// 37.85 M parameters: the backbone of the DGLSS protocol.
  ///
  /// Source: Choy et al. 2019, "4D Spatio-Temporal ConvNets", MinkUNet34.
  public static func minkunet34(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    SparseUNetConfiguration(
      inputWidth: inputWidth,
      classCount: classCount,
      stemKernelSize: 5,
      stemWidths: [32],
      encoderWidths: [32, 64, 128, 256],
      decoderWidths: [256, 128, 96, 96],
      encoderBlocks: [2, 3, 4, 6],
      decoderBlocks: [2, 2, 2, 2]
    )
  }

  /// 21.7 M parameters.
  ///
  /// Source: Tang et al. 2020, "Searching Efficient 3D Architectures with Sparse Point-Voxel
  /// Convolution", the MinkUNet of its repository.
  public static func minkunetSPV(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    SparseUNetConfiguration(
      inputWidth: inputWidth,
      classCount: classCount,
      stemWidths: [32, 32],
      encoderWidths: [32, 64, 128, 256],
      decoderWidths: [256, 128, 96, 96],
      encoderBlocks: [2, 2, 2, 2],
      decoderBlocks: [2, 2, 2, 2]
    )
  }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    let levels = encoderWidths.count
    if inputWidth < 1 || classCount < 1 { return "input and classes must be at least 1" }
    if stemKernelSize % 2 == 0 || !(1...11).contains(stemKernelSize) {
      return "the stem's kernel must be odd and at most 11, found \(stemKernelSize)"
    }
    if stemWidths.isEmpty { return "the stem needs at least one convolution" }
    let lengths = [decoderWidths, encoderBlocks, decoderBlocks, downWidths ?? encoderWidths]
    if lengths.contains(where: { $0.count != levels }) {
      return "\(levels) levels in the encoder, \(lengths.map(\.count)) in the other lists"
    }
    let widths = stemWidths + encoderWidths + decoderWidths + (downWidths ?? [])
    if widths.contains(where: { $0 < 1 }) { return "every width must be at least 1" }
    if (encoderBlocks + decoderBlocks).contains(where: { $0 < 1 }) {
      return "every level needs at least one block"
    }
    return nil
  }
}

/// The networks that come with the module, by the names that commands use.
public enum SparseUNetPreset: String, Codable, Hashable, Sendable, CaseIterable {
  /// 0.2 M parameters.
  case tiny
  /// 0.38 M parameters, the default on a CPU.
  case small
  /// 3.06 M parameters.
  case base
  /// 37.85 M parameters.
  case minkunet34
  /// 21.7 M parameters.
  case minkunetSPV

  /// The shape of the network for these channels of input and classes.
  public func configuration(inputWidth: Int, classCount: Int) -> SparseUNetConfiguration {
    switch self {
    case .tiny: .tiny(inputWidth: inputWidth, classCount: classCount)
    case .small: .small(inputWidth: inputWidth, classCount: classCount)
    case .base: .base(inputWidth: inputWidth, classCount: classCount)
    case .minkunet34: .minkunet34(inputWidth: inputWidth, classCount: classCount)
    case .minkunetSPV: .minkunetSPV(inputWidth: inputWidth, classCount: classCount)
    }
  }
}
