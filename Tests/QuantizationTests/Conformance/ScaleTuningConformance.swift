import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

/// PEQA and AlphaTuning as torch's autograd and optimizers compute them: every case that the files
/// hold.
@Suite struct ScaleTuningConformance {
  static let gradients = FixtureCase.adaDim("peqa_grad")
  static let traces = FixtureCase.adaDim("trace")

  @Test func filesHoldCases() {
    #expect(!Self.gradients.isEmpty && !Self.traces.isEmpty)
  }

  /// The scheme of a case: bits, the axis of its groups, and how the start was found.
  private func scheme(_ item: FixtureCase, _ shape: Shape) throws -> WeightScheme {
    let group = try item.int("group")
    let granularity: Granularity
    switch try item.text("dim") {
    case "oc": granularity = group < 0 ? .outputChannel : .inputGroups(group)
    default: granularity = .outputGroups(group < 0 ? shape[0] : group)
    }
    return try WeightScheme(
      grid: QuantizationGrid(bits: item.int("bits")),
      granularity: granularity,
      range: item.text("init") == "mse" ? .meanSquaredError : .minMax,
      scaleType: .float32
    )
  }

  @Test(arguments: gradients) func peqaGradients(item: FixtureCase) throws {
    let weight = try item.tensor("W")
    let scheme = try scheme(item, weight.shape)
    let matrix = try RoundToNearest(scheme).quantize(weight).matrix
    let isTransposed = try item.text("dim") == "ic"
    func laid(_ scales: Tensor<Float>) -> Tensor<Float> {
      isTransposed ? scales.transposed() : scales
    }
    #expect(try matrix.codes().elements.map { Int32($0) } == item.integers("codes").elements)
    let zeros = try laid(item.tensor("zero", converting: true)).elements
    #expect(try #require(matrix.zeroPoints).elements.map { Float($0) } == zeros)
    expectClose(matrix.stepSizes, laid(try item.tensor("scale")), relative: 1e-6)
    let layer = PEQALinear(matrix, bias: try item.tensor("bias"))
    let x = Parameter(try item.tensor("x"))
    let y = layer(x.variable)
    expectClose(y.value, try item.tensor("y"), absolute: 1e-5)
    expectClose(layer(x.value), try item.tensor("y"), absolute: 1e-5)
    let difference = y - Variable(try item.tensor("target"))
    (difference * difference).mean().backward()
    let expected = laid(try item.tensor("grad_scale"))
    expectClose(try #require(layer.scales.gradient), expected, absolute: 1e-5)
    expectClose(try #require(x.gradient), try item.tensor("grad_x"), absolute: 1e-5)
  }
}

extension FixtureCase {
  /// Integers as floats.
  fileprivate func tensor(_ name: String, converting: Bool) throws -> Tensor<Float> {
    let integers = try integers(name)
    return Tensor(integers.elements.map { Float($0) }, shape: integers.shape)
  }
}
