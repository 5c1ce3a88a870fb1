import Autograd
import Tensor

/// The convolutional encoder and decoder in use: the same results as the layers', with less than
/// half of their multiplications.
///
/// Images are passed in small groups, whose layers stay in the caches; groups are shared out to the
/// threads. Where the shapes do not fit (channels that are no multiples of 8, planes of 1, 2 or 5
/// pixels) there are none, and the layers are used.
struct ConvolutionNetworks {
  /// The images of a group: fewer read the weights too often, more leave the caches.
  private static let groupSize = 60

  private let first: ImageConvolution
  private let halvings: [HalvingConvolution]
  /// [h · w · 4c × d].
  private let toLatents: Tensor<Float>
  private let latentBias: Tensor<Float>
  /// [d × h · w · 4c].
  private let fromLatents: Tensor<Float>
  private let planeBias: Tensor<Float>
  private let planeSlope: Float
  private let doublings: [DoublingConvolution]
  private let last: ImageSynthesis
  private let output: Activation?

  /// What networks whose norms are folded in compute; nil where the shapes do not fit.
  init?(_ networks: Autoencoder) {
    let (encoder, decoder) = (networks.encoder, networks.decoder)
    let extents = encoder.inputExtents
    let halving = encoder.stages.compactMap { FixedStage(halving: $0) }
    let doubling = decoder.stages.compactMap { FixedStage(doubling: $0) }
    guard extents.count == 3, halving.count == 4, doubling.count == 4,
      let first = halving[0].image(PlaneExtent(height: extents[1], width: extents[2])),
      let second = halving[1].halving(first.output), let third = halving[2].halving(second.output),
      let start = doubling[1].doubling(third.output), let next = doubling[2].doubling(start.output),
      let last = doubling[3].synthesis(next.output)
    else { return nil }
    self.first = first
    halvings = [second, third]
    let weight = halving[3].weight  // [d × 4c × h × w]
    let latents = weight.shape[0]
    toLatents = weight.permuted(2, 3, 1, 0).reshaped(to: [weight.count / latents, latents])
    latentBias = halving[3].bias
    let back = doubling[0].weight  // [d × 4c × h × w]
    fromLatents = back.permuted(0, 2, 3, 1).reshaped(to: [latents, back.count / latents])
    planeBias = doubling[0].bias
    planeSlope = doubling[0].slope
    doublings = [start, next]
    self.last = last
    output = decoder.stages[3].activation
  }

  /// E(x): rows [N × D] to latents [N × d].
  func encode(_ rows: Tensor<Float>) -> Tensor<Float> {
    groups(of: rows, width: latentBias.count) { rows in
      var x = first(rows)
      for layer in halvings { x = layer(x) }
      return x.asRows().matmul(toLatents) + latentBias
    }
  }

  /// D(z): latents [N × d] to rows [N × D].
  func decode(_ latents: Tensor<Float>) -> Tensor<Float> {
    let width = last.channels * last.output.height * last.output.width
    return groups(of: latents, width: width) { latents in
      let images = latents.shape[0]
      let (plane, channels) = (doublings[0].input, planeBias.count)
      var flat = latents.matmul(fromLatents)
        .reshaped(to: [images * plane.height * plane.width, channels])
      flat.addLeaky(planeBias, planeSlope)
      var x = flat.reshaped(to: [images, plane.height, plane.width, channels])
      for layer in doublings { x = layer(x) }
      let rows = last(x)
      guard let output else { return rows }
      return withoutGradients { output(Variable(rows)).value }
    }
  }

  /// The results of all groups, one below the other.
  private func groups(
    of rows: Tensor<Float>,
    width: Int,
    _ body: (Tensor<Float>) -> Tensor<Float>
  ) -> Tensor<Float> {
    let (count, size) = (rows.shape[0], Self.groupSize)
    guard count > size else { return count > 0 ? body(rows) : .zeros([0, width]) }
    return Tensor(uninitialized: [count, width]) { target in
      guard let target = target.baseAddress else { return }
      WorkPool.forEachRange(count: count, grain: size) { range in
        body(rows[range]).withUnsafeElements { found in
          guard let from = found.baseAddress else { return }
          (target + range.lowerBound * width).update(from: from, count: found.count)
        }
      }
    }
  }
}

/// The numbers of a stage that is not trained any more.
private struct FixedStage {
  let weight: Tensor<Float>
  let bias: Tensor<Float>
  /// Of LeakyReLU; 0 for ReLU, 1 for none.
  let slope: Float
  let outputPadding: PlaneExtent

  private static let halves = ConvolutionOptions(stride: 2, padding: 1)
  private let isStrided: Bool

  init?(halving stage: NetworkStage) {
    guard let layer = stage.layer as? Conv2d else { return nil }
    self.init(stage, layer.weight, layer.bias, layer.options, 0)
  }

  init?(doubling stage: NetworkStage) {
    guard let layer = stage.layer as? ConvTranspose2d else { return nil }
    self.init(stage, layer.weight, layer.bias, layer.options, layer.outputPadding)
  }

  private init?(
    _ stage: NetworkStage,
    _ weight: Parameter,
    _ bias: Parameter?,
    _ options: ConvolutionOptions,
    _ outputPadding: PlaneExtent
  ) {
    guard let bias, stage.norm == nil else { return nil }
    isStrided = options == Self.halves
    guard isStrided || options == ConvolutionOptions() else { return nil }
    switch stage.activation {
    case .relu: slope = 0
    case .leakyReLU(let given): slope = given
    default: slope = 1
    }
    self.weight = weight.value
    self.bias = bias.value
    self.outputPadding = outputPadding
  }

  func image(_ input: PlaneExtent) -> ImageConvolution? {
    isStrided ? ImageConvolution(weight: weight, bias: bias, slope: slope, input: input) : nil
  }

  func halving(_ input: PlaneExtent) -> HalvingConvolution? {
    isStrided ? HalvingConvolution(weight: weight, bias: bias, slope: slope, input: input) : nil
  }

  func doubling(_ input: PlaneExtent) -> DoublingConvolution? {
    guard isStrided else { return nil }
    return DoublingConvolution(
      weight: weight,
      bias: bias,
      slope: slope,
      input: input,
      outputPadding: outputPadding
    )
  }

  func synthesis(_ input: PlaneExtent) -> ImageSynthesis? {
    guard isStrided else { return nil }
    return ImageSynthesis(
      weight: weight,
      bias: bias,
      input: input,
      outputPadding: outputPadding
    )
  }
}
