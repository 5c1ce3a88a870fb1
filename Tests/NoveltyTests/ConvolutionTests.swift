import Autograd
import Tensor
import TestSupport
import Testing

@testable import Novelty

/// Convolutions in fewer products against the layers that they stand for.
@Suite struct ConvolutionTests {
  private var generator = Philox(seed: 6)

  private mutating func normal(_ shape: Shape, _ deviation: Float = 1) -> Tensor<Float> {
    .normal(shape, deviation: deviation, using: &generator)
  }

  static let planes = [[3, 3], [4, 4], [7, 7], [3, 8], [10, 6], [11, 7], [14, 9]]

  @Test(arguments: planes, [0, 1]) mutating func halvesAsTheLayerDoes(
    plane: [Int],
    odd: Int
  ) throws {
    let input = PlaneExtent(height: 2 * plane[0] + odd, width: 2 * plane[1] + odd)
    let (weight, bias) = (normal([24, 16, 4, 4]), normal([24]))
    let layer = try #require(
      HalvingConvolution(weight: weight, bias: bias, slope: 0.2, input: input)
    )
    let x = normal([5, input.height, input.width, 16])
    let options = ConvolutionOptions(stride: 2, padding: 1)
    let expected = conv2d(x.permuted(0, 3, 1, 2), weight: weight, bias: bias, options: options)
    check(layer(x), expected, slope: 0.2)
  }

  @Test(arguments: planes, [0, 1]) mutating func doublesAsTheLayerDoes(
    plane: [Int],
    odd: Int
  ) throws {
    let input = PlaneExtent(height: plane[0], width: plane[1])
    let (weight, bias) = (normal([16, 24, 4, 4]), normal([24]))
    let layer = try #require(
      DoublingConvolution(
        weight: weight,
        bias: bias,
        slope: 0,
        input: input,
        outputPadding: PlaneExtent(odd)
      )
    )
    let x = normal([5, input.height, input.width, 16])
    let options = ConvolutionOptions(stride: 2, padding: 1)
    let expected = convTranspose2d(
      x.permuted(0, 3, 1, 2),
      weight: weight,
      bias: bias,
      options: options,
      outputPadding: PlaneExtent(odd)
    )
    check(layer(x), expected, slope: 0)
  }

  /// Channels last against channels first; sums of 256 and more products of normal numbers.
  private func check(_ found: Tensor<Float>, _ expected: Tensor<Float>, slope: Float) {
    let active = Tensor(
      expected.elements.map { $0 < 0 ? $0 * slope : $0 },
      shape: expected.shape
    )
    expectClose(found.permuted(0, 3, 1, 2), active, relative: 1e-4, absolute: 2e-4)
  }

  @Test func planesThatDoNotFitAreLeftToTheLayers() {
    for extent in [0, 1, 2, 5] { #expect(PlaneTiles(PlaneExtent(extent)) == nil) }
    for extent in [3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 32] {
      let tiles = PlaneTiles(PlaneExtent(height: extent, width: 3))
      let rows = tiles?.kinds.reduce(0) { $0 + $1.rows * $1.origins.count }
      #expect(rows == extent)
    }
  }

  /// Both networks, with every activation and odd extents; 70 images make groups and a remainder.
  @Test(arguments: [[1, 28, 28], [3, 32, 32], [2, 29, 31], [28, 28]])
  mutating func networksInUseGiveTheSame(shape: [Int]) throws {
    var settings = OAAE.Configuration.convolution(channels: 8, latentWidth: 6)
    settings.output = shape.count == 2 ? .linear : .sigmoid
    let layout = try settings.layout(of: shape)
    let networks = Autoencoder(settings.plan(layout), using: &generator)
    for parameter in networks.parameters() { parameter.value += normal(parameter.shape, 0.1) }
    networks.train()
    let x = Tensor<Float>.uniform([70, layout.width], from: 0, to: 1, using: &generator)
    _ = networks.decoder(networks.encoder(Variable(x)))
    networks.eval()
    let inUse = Autoencoder(inUse: networks)
    #expect(inUse.hasShortcut)
    let z = inUse.encode(x)
    expectClose(z, networks.encoder(x), relative: 1e-4, absolute: 1e-4)
    expectClose(inUse.decode(z), networks.decoder(z), relative: 1e-4, absolute: 1e-4)
    #expect(inUse.encode(x[0..<0]).shape == [0, 6])
    expectClose(inUse.encode(x[69..<70]), z[69..<70], relative: 1e-4, absolute: 1e-5)
  }

  @Test mutating func threadsDoNotChangeABit() throws {
    let settings = OAAE.Configuration.convolution(channels: 8, latentWidth: 6)
    let plan = settings.plan(try settings.layout(of: [28, 28]))
    let networks = Autoencoder(plan, using: &generator)
    networks.eval()
    let inUse = Autoencoder(inUse: networks)
    let x = Tensor<Float>.uniform([100, 784], from: 0, to: 1, using: &generator)
    let threads = WorkPool.threadCount
    defer { WorkPool.threadCount = threads }
    WorkPool.threadCount = 1
    let (z, output) = (inUse.encode(x), inUse.decode(inUse.encode(x)))
    WorkPool.threadCount = 2
    #expect(inUse.encode(x) == z)
    #expect(inUse.decode(z) == output)
  }
}
