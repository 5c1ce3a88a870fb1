import Autograd
import Tensor

/// An encoder x → z with a linear end and a decoder z → x̂.
///
///     perceptron    E: D-w₁-…-wₖ-d       D: d-wₖ-…-w₁-D
///     convolution   E: C→c→2c→4c (k4 s2 p1), 4c→d (all that is left)       D: the same backwards
///
/// Between layers lie batch norm and LeakyReLU(0.2) in the encoder, ReLU in the decoder. Weights
/// start as torch's do, from U(±1/√fan-in).
///
/// - Shapes: x and x̂ [N × D], z [N × d].
final class Autoencoder: Module {
  /// What the networks are made by.
  struct Plan: Equatable {
    var architecture: AutoencoderArchitecture
    var extents: [Int]
    var latentWidth: Int
    var output: DecoderOutput
    var normalizesBatches: Bool
    /// What follows the hidden layers of the decoder.
    var decoderActivation = Activation.relu

    /// The extents of planes in front of each convolution of stride 2, and behind the last.
    var planes: [PlaneExtent] {
      guard extents.count == 3 else { return [] }
      var plane = PlaneExtent(height: extents[1], width: extents[2])
      return (0..<4).map { _ in
        defer { plane = PlaneExtent(height: plane.height / 2, width: plane.width / 2) }
        return plane
      }
    }

    /// The numbers of the weights alone, in Double so that nothing overflows.
    var weightCount: Double {
      func product(_ factors: Int...) -> Double { factors.reduce(1) { $0 * Double($1) } }
      switch architecture {
      case .perceptron(let hidden):
        let widths = extents + hidden + [latentWidth]
        return 2 * zip(widths, widths.dropFirst()).reduce(0) { $0 + product($1.0, $1.1) }
      case .convolution(let c):
        let end = planes.last ?? 1
        return 2 * (product(16, extents[0], c) + product(160, c, c))
          + 2 * product(4, c, latentWidth, end.height, end.width)
      }
    }
  }

  let encoder: NetworkChain
  let decoder: NetworkChain
  /// The same functions in fewer products; nil in training and for perceptrons.
  private var shortcut: ConvolutionNetworks?

  init(_ plan: Plan, using generator: inout Philox) {
    switch plan.architecture {
    case .perceptron(let hidden):
      encoder = plan.perceptron(
        plan.extents + hidden + [plan.latentWidth],
        .leakyReLU(slope: 0.2),
        last: nil,
        &generator
      )
      decoder = plan.perceptron(
        [plan.latentWidth] + hidden.reversed() + plan.extents,
        plan.decoderActivation,
        last: plan.lastActivation,
        &generator
      )
    case .convolution(let channels):
      encoder = plan.convolutions(channels, &generator)
      decoder = plan.transposedConvolutions(channels, &generator)
    }
  }

  /// Stored networks; nothing is allocated unless the file holds about as many numbers.
  convenience init(_ plan: Plan, _ state: DetectorState) throws(NoveltyError) {
    let count = state.tensors.values.reduce(0.0) { $0 + Double($1.count) }
    guard plan.weightCount <= count else {
      throw .content(
        path: state.path,
        reason: "\(Int(count)) numbers, the configuration needs \(plan.weightCount)"
      )
    }
    var generator = Philox(seed: 0)
    self.init(plan, using: &generator)
    do throws(ModuleError) { try load(state.tensors) } catch { throw .network(error) }
    eval()
  }

  /// The networks in use: norms folded in where they can be.
  init(inUse trained: Autoencoder) {
    encoder = trained.encoder.folded()
    decoder = trained.decoder.folded()
    shortcut = ConvolutionNetworks(self)
  }

  /// Whether convolutions are computed in fewer products.
  var hasShortcut: Bool { shortcut != nil }

  /// E(x) without gradients.
  func encode(_ rows: Tensor<Float>) -> Tensor<Float> { shortcut?.encode(rows) ?? encoder(rows) }

  /// D(z) without gradients.
  func decode(_ latents: Tensor<Float>) -> Tensor<Float> {
    shortcut?.decode(latents) ?? decoder(latents)
  }
}

extension Autoencoder.Plan {
  fileprivate var lastActivation: Activation? { output == .sigmoid ? .sigmoid : nil }

  private func norm(_ channels: Int) -> BatchNorm? {
    normalizesBatches ? BatchNorm(channels: channels) : nil
  }

  fileprivate func perceptron(
    _ widths: [Int],
    _ activation: Activation,
    last: Activation?,
    _ generator: inout Philox
  ) -> NetworkChain {
    var stages: [NetworkStage] = []
    for index in 1..<widths.count {
      let isLast = index == widths.count - 1
      let layer = Linear(
        inputWidth: widths[index - 1],
        outputWidth: widths[index],
        using: &generator
      )
      stages.append(
        NetworkStage(
          layer,
          norm: isLast ? nil : norm(widths[index]),
          activation: isLast ? last : activation
        )
      )
    }
    return NetworkChain(stages, inputExtents: [widths[0]])
  }

  fileprivate func convolutions(_ c: Int, _ generator: inout Philox) -> NetworkChain {
    let channels = [extents[0], c, 2 * c, 4 * c]
    var stages = (1..<4).map { index in
      let layer = Conv2d(
        inputChannels: channels[index - 1],
        outputChannels: channels[index],
        kernel: 4,
        options: ConvolutionOptions(stride: 2, padding: 1),
        using: &generator
      )
      return NetworkStage(
        layer,
        norm: norm(channels[index]),
        activation: .leakyReLU(slope: 0.2)
      )
    }
    let last = Conv2d(
      inputChannels: 4 * c,
      outputChannels: latentWidth,
      kernel: planes[3],
      using: &generator
    )
    stages.append(NetworkStage(last, norm: nil, activation: nil))
    return NetworkChain(stages, inputExtents: extents)
  }

  fileprivate func transposedConvolutions(_ c: Int, _ generator: inout Philox) -> NetworkChain {
    let first = ConvTranspose2d(
      inputChannels: latentWidth,
      outputChannels: 4 * c,
      kernel: planes[3],
      using: &generator
    )
    var stages = [NetworkStage(first, norm: norm(4 * c), activation: decoderActivation)]
    let channels = [4 * c, 2 * c, c, extents[0]]
    for index in 1..<4 {
      // An odd extent lost its last row or column on the way down.
      let (small, large) = (planes[4 - index], planes[3 - index])
      let layer = ConvTranspose2d(
        inputChannels: channels[index - 1],
        outputChannels: channels[index],
        kernel: 4,
        options: ConvolutionOptions(stride: 2, padding: 1),
        outputPadding: PlaneExtent(
          height: large.height - 2 * small.height,
          width: large.width - 2 * small.width
        ),
        using: &generator
      )
      let isLast = index == 3
      stages.append(
        NetworkStage(
          layer,
          norm: isLast ? nil : norm(channels[index]),
          activation: isLast ? lastActivation : decoderActivation
        )
      )
    }
    return NetworkChain(stages, inputExtents: [latentWidth, 1, 1])
  }
}
