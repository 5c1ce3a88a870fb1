import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

// PEQA's and AlphaTuning's layers as torch's autograd and optimizers compute them.
extension ScaleTuningConformance {
  @Suite struct Layers {
    static let peqa = ScaleTuningConformance.cases("peqa_grad")
    static let alphaTuning = ScaleTuningConformance.cases("alphatuning_grad")
    static let traces = ScaleTuningConformance.cases("trace")

    @Test func filesHoldCases() {
      #expect(!Self.peqa.isEmpty && !Self.alphaTuning.isEmpty && !Self.traces.isEmpty)
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

    @Test(arguments: peqa) func peqaGradients(item: FixtureCase) throws {
      let weight = try item.tensor("W")
      let matrix = try RoundToNearest(scheme(item, weight.shape)).quantize(weight).matrix
      let isTransposed = try item.text("dim") == "ic"
      func laid(_ scales: Tensor<Float>) -> Tensor<Float> {
        isTransposed ? scales.transposed() : scales
      }
      #expect(try matrix.codes().elements.map { Int32($0) } == item.integers("codes").elements)
      let integers = try item.integers("zero")
      let zeros = laid(Tensor(integers.elements.map(Float.init), shape: integers.shape)).elements
      #expect(try #require(matrix.zeroPoints).elements.map { Float($0) } == zeros)
      expectClose(matrix.stepSizes, laid(try item.tensor("scale")), relative: 1e-6)
      let layer = PEQALinear(matrix, bias: try item.tensor("bias"))
      try compare(layer, item, gradient: laid(try item.tensor("grad_scale")))
    }

    @Test(arguments: alphaTuning, AlphaTuningLinear.GradientDivisor.allCases)
    func alphaGradients(item: FixtureCase, divisor: AlphaTuningLinear.GradientDivisor) throws {
      let (rows, columns) = (try item.tensor("W").shape[0], try item.tensor("W").shape[1])
      let matrix = try coded(
        signs: item.integers("B"),
        scales: item.tensor("alpha"),
        shape: [rows, columns]
      )
      let name = divisor == .one ? "grad_alpha" : "grad_alpha_over_g"
      let expected = try item.tensor(name)
      let planes = matrix.planeCount
      for trained in 1...planes {
        let layer = AlphaTuningLinear(matrix, trainedPlanes: trained, gradientDivisor: divisor)
        let gradient = expected.reshaped(to: matrix.scales.shape).sliced(0..<trained, axis: -1)
        try compare(layer, item, gradient: gradient)
      }
    }

    private func compare(
      _ layer: any ScaleTunedLinear,
      _ item: FixtureCase,
      gradient: Tensor<Float>
    ) throws {
      let x = Parameter(try item.tensor("x"))
      let y = layer(x.variable)
      expectClose(y.value, try item.tensor("y"), absolute: 1e-5)
      expectClose(layer(x.value), try item.tensor("y"), absolute: 1e-5)
      let difference = y - Variable(try item.tensor("target"))
      (difference * difference).mean().backward()
      expectClose(try #require(layer.scales.gradient), gradient, absolute: 1e-5)
      expectClose(try #require(x.gradient), try item.tensor("grad_x"), absolute: 1e-5)
    }

    /// Signs [groups × q × g], the groups row by row, with scales [groups × q].
    private func coded(
      signs: Tensor<Int32>,
      scales: Tensor<Float>,
      shape: Shape
    ) throws -> BinaryCodedMatrix {
      let (planes, size) = (signs.shape[1], signs.shape[2])
      let (groups, width) = (shape[1] / size, (shape[1] + 31) / 32)
      var words = [UInt32](repeating: 0, count: shape[0] * planes * width)
      for (index, sign) in signs.elements.enumerated() where sign > 0 {
        let (group, plane, place) = (index / size / planes, index / size % planes, index % size)
        let (row, column) = (group / groups, group % groups * size + place)
        words[(row * planes + plane) * width + column / 32] |= 1 << (column % 32)
      }
      return BinaryCodedMatrix(
        columnCount: shape[1],
        groupSize: size,
        words: Tensor(words.map { Int32(bitPattern: $0) }, shape: [shape[0], planes, width]),
        scales: scales.reshaped(to: [shape[0], groups, planes])
      )
    }

    // MARK: Traces

    /// The layer of a trace, as it stands before the first step.
    private func layer(_ index: Int, _ item: FixtureCase) throws -> any ScaleTunedLinear {
      let shared = FixtureCase(path: item.path, prefix: "", values: item.values)
      let bias = try shared.tensor("b\(index)")
      let start = try item.tensor("s\(index)")[0]
      guard item.values["q"] == nil else {
        let weight = try shared.tensor("W\(index)")
        return AlphaTuningLinear(
          try coded(
            signs: item.integers("B\(index)"),
            scales: item.tensor("alpha\(index)"),
            shape: weight.shape
          ),
          bias: bias,
          gradientDivisor: try item.text("grad") == "exact" ? .one : .groupSize
        )
      }
      let group = try item.values["group"]?.intValue ?? item.int("group\(index)")
      let matrix = QuantizedMatrix(
        codes: Tensor<UInt8>(
          try item.integers("codes\(index)").elements.map { UInt8($0) },
          shape: try item.integers("codes\(index)").shape
        ),
        stepSizes: start,
        zeroPoints: Tensor<UInt8>(
          try item.integers("zero\(index)").elements.map { UInt8($0) },
          shape: start.shape
        ),
        scheme: try WeightScheme(
          grid: QuantizationGrid(bits: item.int("bits")),
          granularity: group < 0 ? .outputChannel : .inputGroups(group),
          scaleType: .float32
        )
      )
      return PEQALinear(matrix, bias: bias)
    }

    @Test(arguments: traces) func trace(item: FixtureCase) throws {
      let shared = FixtureCase(path: item.path, prefix: "", values: item.values)
      let (x, target) = (Variable(try shared.tensor("x")), Variable(try shared.tensor("target")))
      let layers = [try layer(1, item), try layer(2, item)]
      let rate = Float(try item.number("lr"))
      let schedule = try item.text("schedule")
      let decay = item.values["weight_decay"]?.doubleValue ?? 0
      let epsilon = Float(item.values["eps"]?.doubleValue ?? 1e-8)
      let group = [ParameterGroup(layers.map(\.scales))]
      let optimizer: any TrainingOptimizer =
        try item.text("opt") == "AdamW"
        ? AdamW(group, learningRate: rate, epsilon: epsilon, weightDecay: Float(decay))
        : Adam(group, learningRate: rate, epsilon: epsilon)
      func loss() -> Variable {
        let difference = layers[1](layers[0](x).relu()) - target
        return (difference * difference).mean()
      }
      let losses = try item.tensor("loss").elements
      let scales = [try item.tensor("s1"), try item.tensor("s2")]
      let steps = losses.count - 1
      for step in 0...steps {
        let loss = loss()
        expectClose([loss.item], [losses[step]], relative: 1e-5)
        for (layer, expected) in zip(layers, scales) {
          expectClose(
            layer.scales.value.elements,
            expected[step].elements,
            absolute: 2e-6,
            "scales before step \(step)"
          )
        }
        guard step < steps else { break }
        loss.backward()
        if step == 0 {
          for (index, layer) in layers.enumerated() {
            let gradient = try #require(layer.scales.gradient).elements
            let expected = try item.tensor("grad\(index + 1)_step0").elements
            expectClose(gradient, expected, relative: 1e-5, absolute: 1e-6)
          }
        }
        if schedule != "constant" {
          optimizer.learningRate = rate * (1 - Float(step) / Float(steps))
        }
        optimizer.step()
        for layer in layers { layer.scales.clearGradient() }
      }
      let y = withoutGradients { layers[1](layers[0](x).relu()).value }
      expectClose(y, try item.tensor("y_final"), absolute: 2e-5)
    }
  }
}
