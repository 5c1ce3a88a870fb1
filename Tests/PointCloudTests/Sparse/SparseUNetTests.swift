import Autograd
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SparseUNetTests {
  /// The counts of the table, with the widths of input for which they hold.
  @Test(arguments: [
    (SparseUNetConfiguration.tiny(inputWidth: 32, classCount: 10), 0.20e6, 0.005e6),
    (.small(inputWidth: 16, classCount: 10), 0.38e6, 0.005e6),
    (.base(inputWidth: 32, classCount: 10), 3.06e6, 0.005e6),
    (.minkunet34(inputWidth: 1, classCount: 10), 37.85e6, 0.005e6),
    (.minkunetSPV(inputWidth: 4, classCount: 19), 21.7e6, 0.05e6),
  ])
  func parameterCounts(configuration: SparseUNetConfiguration, count: Double, slack: Double) {
    var generator = Philox(seed: 1)
    let network = SparseUNet(configuration, using: &generator)
    #expect(abs(Double(network.parameterCount.total) - count) <= slack)
  }

  @Test(arguments: SparseUNetPreset.allCases) func presetsHaveNoFlaw(preset: SparseUNetPreset) {
    let configuration = preset.configuration(inputWidth: 5, classCount: 7)
    #expect(configuration.flaw == nil)
    #expect(configuration.inputWidth == 5 && configuration.classCount == 7)
  }

  @Test func pathsNameTheParts() {
    var generator = Philox(seed: 1)
    let configuration = SparseUNetConfiguration.small(inputWidth: 4, classCount: 3)
    let network = SparseUNet(configuration, using: &generator)
    let names = Set(network.namedParameters().map(\.name))
    let expected: Set = [
      "stem.0.convolution.weight", "stem.0.norm.weight", "encoder.0.down.weight",
      "encoder.0.downNorm.bias", "encoder.2.blocks.0.convolution1.weight",
      "encoder.2.blocks.0.projection.weight", "decoder.0.up.weight",
      "decoder.2.blocks.0.norm2.weight", "head.weight", "head.bias",
    ]
    #expect(expected.subtracting(names).isEmpty)
  }

  @Test func configurationsSurviveJSON() throws {
    var configuration = SparseUNetConfiguration.minkunet34(inputWidth: 1, classCount: 2)
    configuration.downWidths = [40, 80, 160, 320]
    configuration.initializer = .torchSparse
    let data = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(SparseUNetConfiguration.self, from: data) == configuration)
    #expect(configuration.flaw == nil)
    configuration.decoderWidths.removeLast()
    #expect(configuration.flaw != nil)
  }

  @Test(arguments: [0, 1, 2]) func fewVoxelsTrain(count: Int) throws {
    let cells: [Int32] = (0..<Int32(count)).flatMap { x -> [Int32] in [0, x, 0, 0] }
    let sites = try SparseSites(coordinates: Tensor<Int32>(cells, shape: [count, 4]))
    var generator = Philox(seed: 2)
    let configuration = SparseUNetConfiguration.tiny(inputWidth: 2, classCount: 3)
    let network = SparseUNet(configuration, using: &generator)
    let features = Tensor<Float>.normal([count, 2], using: &generator)
    let input = SparseTensor(sites: sites, features: Variable(features))
    let logits = network(input)
    #expect(logits.shape == [count, 3])
    if count > 0 { logits.sum().backward() }
    network.eval()
    let result = network(input).value.elements
    #expect(result.filter { !$0.isFinite }.isEmpty)
  }

  @Test(arguments: [SparseInitializer.presentNeighbours, .minkowskiEngine, .torchSparse])
  func initializersHaveTheirDeviation(initializer: SparseInitializer) {
    var generator = Philox(seed: 3)
    let weight = initializer([27, 20, 40], neighbours: 9, using: &generator)
    let values = weight.elements.map(Double.init)
    let deviation = (values.map { $0 * $0 }.reduce(0, +) / Double(values.count)).squareRoot()
    let expected: Double =
      switch initializer {
      case .presentNeighbours: (2.0 / (9 * 40)).squareRoot()
      case .minkowskiEngine: (2.0 / (27 * 40)).squareRoot()
      case .torchSparse: 1 / (3.0 * 20 * 27).squareRoot()
      }
    // 21,600 numbers: the estimate's own deviation is below 0.5 %.
    #expect(abs(deviation / expected - 1) < 0.02)
  }

  @Test func foreignKernelsAreReordered() throws {
    // Every element tells where it belongs: ((ix · K + iy) · K + iz, input, output).
    func own(_ size: Int, _ inputs: Int, _ outputs: Int) -> Tensor<Float> {
      let shape: Shape = [size * size * size, inputs, outputs]
      return Tensor((0..<shape.count).map { Float($0) }, shape: shape)
    }
    for size in [2, 3, 5] {
      let weight = own(size, 2, 4)
      let cube = weight.reshaped(to: [size, size, size, 2, 4])
      #expect(SparseWeightOrder.spconv.imported(cube.permuted(4, 0, 1, 2, 3)) == weight)
      #expect(SparseWeightOrder.spconv1.imported(cube) == weight)
      let theirs = size % 2 == 1 ? cube.permuted(2, 1, 0, 3, 4) : cube
      let flat = theirs.reshaped(to: weight.shape)
      #expect(SparseWeightOrder.minkowskiEngine.imported(flat) == weight)
    }
    let matrix = Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
    #expect(SparseWeightOrder.minkowskiEngine.imported(matrix)?.shape == [1, 2, 3])
    #expect(SparseWeightOrder.spconv.imported(matrix) == nil)
    #expect(SparseWeightOrder.minkowskiEngine.imported(.zeros([26, 2, 2])) == nil)
  }
}
