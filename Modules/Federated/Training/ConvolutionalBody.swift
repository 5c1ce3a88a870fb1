import Autograd
import Tensor

/// Blocks of convolution, norm, ReLU and pooling, then the mean of each channel and a linear head.
///
///     blocks.I.convolution.weight [O × I × 3 × 3], .bias [O]; blocks.I.norm.weight, .bias [O];
///     head.weight [classes × O], .bias [classes]
///
/// Each block but the last halves the image.
///
/// - Source: Diao et al. 2021, "HeteroFL", the convolutional network of MNIST.
final class ConvolutionalBody: ScaledLayer {
  final class Block: Module {
    let convolution: Conv2d
    let norm: any ChannelNorm
    let pools: Bool

    init(convolution: Conv2d, norm: any ChannelNorm, pools: Bool) {
      (self.convolution, self.norm, self.pools) = (convolution, norm, pools)
    }

    func callAsFunction(_ input: Variable, scale: Float) -> Variable {
      let x = norm(convolution(input).scaled(by: scale)).relu()
      return pools ? maxPool2d(x, size: 2) : x
    }
  }

  let blocks: [Block]
  let head: Linear

  init(blocks: [Block], head: Linear) { (self.blocks, self.head) = (blocks, head) }

  private static let options = ConvolutionOptions(padding: 1)

  convenience init(
    channels: [Int],
    norm: ImageNetwork.Norm,
    classCount: Int,
    using generator: inout Philox
  ) {
    var blocks: [Block] = []
    for (index, count) in channels.enumerated() {
      let convolution = Conv2d(
        inputChannels: index == 0 ? 1 : channels[index - 1],
        outputChannels: count,
        kernel: 3,
        options: Self.options,
        using: &generator
      )
      let pools = index + 1 < channels.count
      blocks.append(
        Block(convolution: convolution, norm: norm.layer(channels: count), pools: pools)
      )
    }
    let width = channels[channels.count - 1]
    self.init(
      blocks: blocks,
      head: Linear(inputWidth: width, outputWidth: classCount, using: &generator)
    )
  }

  convenience init(
    shapes: [String: Shape],
    norm: ImageNetwork.Norm
  ) throws(FederatedTaskError) {
    var found: [(Shape, String)] = []
    while let shape = shapes["blocks.\(found.count).convolution.weight"] {
      found.append((shape, "blocks.\(found.count)"))
    }
    var (blocks, channels): ([Block], Int) = ([], 1)
    for (shape, name) in found {
      guard shape.rank == 4, shape[1] == channels, shapes["\(name).convolution.bias"] == [shape[0]],
        norm == .none || shapes["\(name).norm.weight"] == [shape[0]]
      else { throw .shapes("\(name): a weight \(shape) does not follow \(channels) channels") }
      channels = shape[0]
      let convolution = Conv2d(
        weight: .zeros(shape),
        bias: .zeros([channels]),
        options: Self.options
      )
      let pools = blocks.count + 1 < found.count
      blocks.append(
        Block(convolution: convolution, norm: norm.layer(channels: channels), pools: pools)
      )
    }
    guard !blocks.isEmpty, let head = shapes["head.weight"], head.rank == 2, head[1] == channels,
      shapes["head.bias"] == [head[0]]
    else { throw .shapes("\(shapes.keys.sorted()) are not the layers of a convolutional network") }
    self.init(blocks: blocks, head: Linear(weight: .zeros(head), bias: .zeros([head[0]])))
  }

  func callAsFunction(_ input: Variable, scale: Float) -> Variable {
    let features = blocks.reduce(input) { $1($0, scale: scale) }  // [N, O, h, w]
    return head(globalAveragePool2d(features))
  }
}

/// A norm over the channels of [N × C × H × W], or none.
protocol ChannelNorm: Module {
  func callAsFunction(_ input: Variable) -> Variable
}

extension GroupNorm: ChannelNorm {}

/// No norm at all.
final class PassingNorm: ChannelNorm {
  func callAsFunction(_ input: Variable) -> Variable { input }
}
