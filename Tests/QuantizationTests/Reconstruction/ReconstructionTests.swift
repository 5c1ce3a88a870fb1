import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct ReconstructionTests {
  static func scheme(_ bits: Int) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: bits),
      granularity: .outputChannel,
      scaleType: .float32
    )
  }

  /// Two linear layers with a norm before them, both layers replaceable.
  final class Stack: LinearLayerOwner {
    var first: any LinearLayer
    var second: any LinearLayer
    let norm: RMSNorm
    static var linearLayers: [LinearLayerPath<Stack>] {
      [("first", \.first), ("second", \.second)]
    }

    init(_ width: Int, using generator: inout Philox) {
      first = Linear(inputWidth: width, outputWidth: 2 * width, using: &generator)
      second = Linear(
        inputWidth: 2 * width,
        outputWidth: width,
        hasBias: false,
        using: &generator
      )
      norm = RMSNorm(width: width)
    }

    func callAsFunction(_ x: Variable) -> Variable { second(first(norm(x)).gelu()) }
  }

  static func samples(_ shape: Shape, seed: UInt64 = 3) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    let x = Tensor<Float>.normal(shape, using: &generator)
    let mix = Tensor<Float>.normal([shape[-1], shape[-1]], deviation: 0.3, using: &generator)
    return x + x.matmul(mix)
  }

  @Test(arguments: [LearnedRoundingMethod.flexRound(), .lrq(LRQ.Configuration(rank: .fixed(4)))])
  func layersOfAModuleAreLearnedAndPacked(method: LearnedRoundingMethod) throws {
    var generator = Philox(seed: 1)
    let stack = Stack(24, using: &generator)
    let inputs = Self.samples([40, 6, 24])
    let targets = withoutGradients { stack(Variable(inputs)).value }
    let settings = ReconstructionSettings(steps: 120, batchSize: 4, seed: 5)
    let result = try Reconstruction(settings).run(
      stack,
      rounding: LayerRounding(method: method, scheme: Self.scheme(3)),
      inputs: inputs,
      targets: targets,
      forward: { stack($0) }
    )
    #expect(result.layers.map(\.name) == ["first", "second"])
    #expect(stack.first is PackedLinear && stack.second is PackedLinear)
    #expect(result.report.heldBackCount == 5)
    #expect(result.report.error < 0.7 * result.report.startError)
    let norm = try #require(stack.norm.parameters().first)
    #expect(norm.isTrainable && norm.gradient == nil)
    // What is packed has the error that was reported, on all samples nearly.
    let output = withoutGradients { stack(Variable(inputs)).value }
    let error = Double((output - targets).square().mean())
    #expect(error < result.report.startError)
    #expect((stack.first as? PackedLinear)?.bias != nil)
  }

  @Test func sameSeedSameBits() throws {
    func run() throws -> [[Float]] {
      var generator = Philox(seed: 1)
      let stack = Stack(16, using: &generator)
      let inputs = Self.samples([20, 3, 16])
      let targets = withoutGradients { stack(Variable(inputs)).value }
      let settings = ReconstructionSettings(
        steps: 20,
        quantizedInputProbability: 0.5,
        seed: 9
      )
      let result = try Reconstruction(settings).run(
        stack,
        rounding: LayerRounding(method: .lrq(), scheme: Self.scheme(2)),
        inputs: inputs + 0.01,
        originals: inputs,
        targets: targets,
        forward: { stack($0) }
      )
      return [result.report.losses] + result.layers.map { $0.weight.dequantized().elements }
    }
    #expect(try run() == run())
  }

  /// However bad the rate, nothing ends worse than it began on the samples that judge.
  @Test(arguments: [Float(1e-3), 0.3, 30, 1e30])
  func noRateEndsWorseThanRoundToNearest(rate: Float) throws {
    let weight = Self.samples([12, 16], seed: 8)
    let inputs = Self.samples([16, 16], seed: 9)
    let targets = inputs.matmul(weight, transposingOther: true)
    let rounding = try FlexRound(weight, scheme: Self.scheme(3))
    let layer = RoundedLinear(rounding)
    let start = rounding().value
    let settings = ReconstructionSettings(steps: 30, learningRate: rate)
    let report = try Reconstruction(settings).run(
      layer.parameters(),
      inputs: inputs,
      targets: targets,
      forward: { layer($0) }
    )
    #expect(report.error <= report.startError)
    if report.choice == .start { #expect(rounding().value == start) }
    #expect(rounding().value.elements.allSatisfy { $0.isFinite })
  }

  @Test func lossesThatAreNotFiniteRestartOnceThenLeaveTheStart() throws {
    let parameter = Parameter(Tensor<Float>([1]))
    let inputs = Tensor<Float>([1, 2, 3, 4], shape: [4, 1])
    var calls = 0
    let report = try Reconstruction(ReconstructionSettings(steps: 10, heldBackShare: 0)).run(
      [parameter],
      inputs: inputs,
      targets: inputs,
      forward: { x in
        calls += 1
        return x * parameter.variable * (calls % 7 == 6 ? .infinity : 1)
      }
    )
    #expect(report.restarts == 1)
    #expect(report.choice == .start && report.endError == nil)
    #expect(parameter.value.elements == [1])
  }

  @Test func stoppingLeavesTheStart() throws {
    var generator = Philox(seed: 1)
    let stack = Stack(8, using: &generator)
    let inputs = Self.samples([8, 2, 8])
    let targets = withoutGradients { stack(Variable(inputs)).value }
    #expect(throws: QuantizationError.cancelled) {
      try Reconstruction().run(
        stack,
        rounding: LayerRounding(method: .flexRound(), scheme: Self.scheme(3)),
        inputs: inputs,
        targets: targets,
        forward: { stack($0) },
        progress: { $0.step < 3 }
      )
    }
    #expect(stack.first is Linear && stack.second is Linear)
    #expect(withoutGradients { stack(Variable(inputs)).value } == targets)
  }

  @Test func skippedLayersKeepTheirBits() throws {
    var generator = Philox(seed: 1)
    let stack = Stack(8, using: &generator)
    let second = stack.second
    let inputs = Self.samples([8, 2, 8])
    let targets = withoutGradients { stack(Variable(inputs)).value }
    let scheme = try Self.scheme(4)
    let result = try Reconstruction(ReconstructionSettings(steps: 5)).run(
      stack,
      rounding: LayerRounding(method: .flexRound()) { $0 == "first" ? scheme : nil },
      inputs: inputs,
      targets: targets,
      forward: { stack($0) }
    )
    #expect(result.layers.map(\.name) == ["first"])
    #expect(stack.second === second)
  }

  @Test func convolutionsAreLearned() throws {
    var generator = Philox(seed: 2)
    let convolution = Conv2d(
      inputChannels: 3,
      outputChannels: 6,
      kernel: 3,
      options: ConvolutionOptions(padding: 1),
      using: &generator
    )
    let images = Tensor<Float>.normal([24, 3, 8, 8], using: &generator)
    let targets = withoutGradients { convolution(Variable(images)).value }
    let layer = RoundedConv2d(
      try FlexRound(convolution.weight.value, scheme: Self.scheme(2)),
      bias: convolution.bias?.value,
      options: convolution.options
    )
    let report = try Reconstruction(ReconstructionSettings(steps: 100, batchSize: 4)).run(
      layer.parameters(),
      inputs: images,
      targets: targets,
      forward: { layer($0) }
    )
    #expect(report.error < 0.8 * report.startError)
    let packed = layer.packed()
    #expect(packed(images) == withoutGradients { layer(Variable(images)).value })
  }

  /// Activations that are rounded while the weights are trained, and the packed layer that does so.
  @Test func inputQuantizersStayWithTheLayer() throws {
    var generator = Philox(seed: 3)
    let stack = Stack(16, using: &generator)
    let inputs = Self.samples([16, 4, 16])
    let targets = withoutGradients { stack(Variable(inputs)).value }
    let scheme = try Self.scheme(4)
    let rounding = LayerRounding(
      method: .flexRound(),
      inputQuantizer: { _ in DroppingQuantizer(TokenQuantizer(), generator: Philox(seed: 1)) },
      scheme: { _ in scheme }
    )
    let result = try Reconstruction(ReconstructionSettings(steps: 20)).run(
      stack,
      rounding: rounding,
      inputs: inputs,
      targets: targets,
      forward: { stack($0) }
    )
    #expect((stack.first as? PackedLinear)?.inputQuantizer != nil)
    #expect(result.report.error <= result.report.startError)
    let once = withoutGradients { stack(Variable(inputs)).value }
    #expect(withoutGradients { stack(Variable(inputs)).value } == once)
  }

  @Test func automaticRateFallsWithTheSteps() {
    // min(10⁻², 1.5·10⁻³ · √(5000 / steps)).
    expectClose([ReconstructionSettings(steps: 5000).automaticRate], [1.5e-3], relative: 1e-6)
    expectClose([ReconstructionSettings(steps: 200).automaticRate], [7.5e-3], relative: 1e-6)
    expectClose([ReconstructionSettings(steps: 50).automaticRate], [1e-2], relative: 1e-6)
  }
}
