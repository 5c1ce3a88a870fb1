import Autograd
import Tensor

/// The network of an image task.
public enum ImageNetwork: Codable, Hashable, Sendable {
  /// Linear layers with ReLU between them.
  case perceptron(hidden: [Int])
  /// Blocks of 3 × 3 convolutions, and a linear head on the mean of each channel.
  case convolutional(channels: [Int], norm: Norm)

  /// What follows each convolution.
  public enum Norm: Codable, Hashable, Sendable {
    /// Nothing.
    case none
    /// Group norm with at most so many groups: the largest number that divides the channels.
    case group(Int)
    /// Batch norm that queries its statistics once, after training.
    case staticBatch

    func layer(channels: Int) -> any ChannelNorm {
      switch self {
      case .none: PassingNorm()
      case .staticBatch: StaticBatchNorm(channels: channels)
      case .group(let most):
        GroupNorm(
          groups: (1...max(1, min(most, channels))).last { channels % $0 == 0 } ?? 1,
          channels: channels
        )
      }
    }
  }

  var isFlat: Bool { if case .perceptron = self { true } else { false } }

  /// The global network on images of one plane.
  ///
  /// - Throws: `FederatedTaskError.settings` where the numbers make no network.
  public func description(
    height: Int,
    width: Int,
    classCount: Int
  ) throws(FederatedTaskError) -> ModelDescription {
    try check()
    guard classCount > 0 else { throw .settings("\(classCount) classes") }
    switch self {
    case .perceptron(let hidden): return .mlp(widths: [height * width] + hidden + [classCount])
    case .convolutional(let channels, let norm):
      let positions = channels.indices.map { (height >> $0) * (width >> $0) }
      guard positions.allSatisfy({ $0 > 0 }) else {
        throw .settings("\(channels.count) blocks halve \(height) × \(width) pixels too often")
      }
      let shape = ConvolutionNetworkShape(
        inputPlanes: 1,
        planes: channels,
        positions: positions,
        hasNorms: norm != .none,
        ending: .average,
        classCount: classCount
      )
      let names = ConvolutionNetworkNames(
        convolution: { "blocks.\($0).convolution" },
        norm: { "blocks.\($0).norm" },
        head: "head"
      )
      return .convolutionNetwork(shape, names: names)
    }
  }

  /// A network that starts from random numbers.
  func module(
    height: Int,
    width: Int,
    classCount: Int,
    using generator: inout Philox
  ) -> any ScaledLayer {
    switch self {
    case .perceptron(let hidden):
      PerceptronBody(widths: [height * width] + hidden + [classCount], using: &generator)
    case .convolutional(let channels, let norm):
      ConvolutionalBody(
        channels: channels,
        norm: norm,
        classCount: classCount,
        using: &generator
      )
    }
  }

  /// A network of the widths that the shapes say.
  func module(shapes: [String: Shape]) throws(FederatedTaskError) -> any ScaledLayer {
    switch self {
    case .perceptron: try PerceptronBody(shapes: shapes)
    case .convolutional(_, let norm): try ConvolutionalBody(shapes: shapes, norm: norm)
    }
  }

  /// Stops what makes no network.
  func check() throws(FederatedTaskError) {
    let widths: [Int]
    switch self {
    case .perceptron(let hidden): widths = hidden
    case .convolutional(let channels, let norm):
      widths = channels
      if case .group(let most) = norm, most < 1 { throw .settings("\(most) groups of channels") }
      guard !channels.isEmpty else { throw .settings("a convolutional network without layers") }
    }
    guard widths.count <= 64, widths.allSatisfy({ (1...65_536).contains($0) }) else {
      throw .settings("layers of the widths \(widths)")
    }
  }
}
