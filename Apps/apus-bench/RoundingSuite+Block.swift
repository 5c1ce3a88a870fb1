import Autograd
import Checkpoints
import Quantization
import Tensor
import Transformer

// MARK: - A step of block reconstruction

/// A block of SmolLM2-135M whose seven layers are FlexRound's, as Tools/peers/torch_rounding.py has it
/// in torch.
struct BlockStep {
  static let batch = 4
  static let length = 512

  private let configuration: TransformerConfiguration = {
    var shape = TransformerConfiguration(
      family: .llama,
      vocabularyCount: 64,
      hiddenWidth: 576,
      feedForwardWidth: 1536,
      blockCount: 1,
      headCount: 9,
      contextLength: 512
    )
    shape.keyHeadCount = 3
    return shape
  }()

  /// A closure that takes one step of Adam on s₁, S₂ and s₃ of all layers.
  func makeStep() throws -> () -> Void {
    var generator = Philox(seed: 0)
    let weights = InitialWeights(
      configuration,
      deviation: InitialDeviation(matrices: 1 / 24),
      using: generator.fork(1)
    )
    let block = try DecoderStack(configuration, weights: weights).block(0)
    block.freeze()
    let shape: Shape = [Self.batch, Self.length, configuration.hiddenWidth]
    let x = Tensor<Float>.normal(shape, using: &generator)
    let target = withoutGradients { block(Variable(x)).value }
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .outputChannel,
      scaleType: .float32
    )
    var parameters: [Parameter] = []
    for (path, layer) in block.namedLinearLayers() {
      let weight = layer.weightRows((0..<Int32(layer.outputWidth)).map { $0 })
      let rounded = RoundedLinear(try FlexRound(weight, scheme: scheme))
      parameters += rounded.parameters()
      try block.replaceLayer(at: path, with: rounded)
    }
    let trained = parameters
    let optimizer = Adam([ParameterGroup(trained)], learningRate: 2e-3)
    return {
      Reconstruction.loss(block(Variable(x)), target: target).backward()
      optimizer.step()
      for parameter in trained { parameter.clearGradient() }
    }
  }
}

extension RoundingSuite {
  func measureBlock() throws {
    guard run.startGroup("block reconstruction, 4 × 512 tokens") else { return }
    let arguments: JSONObject = [
      "batch": .integer(Int64(BlockStep.batch)), "length": .integer(Int64(BlockStep.length)),
    ]
    var memory = arguments
    memory["name"] = "block_memory"
    try run.measurePeak("FlexRound", peer: memory) {
      let step = try BlockStep().makeStep()
      for _ in 0..<3 { step() }
    }
    try run.measure(
      BenchCase(
        name: "FlexRound, a step",
        metric: .microseconds,
        peer: peer("block", arguments),
        call: try BlockStep().makeStep()
      )
    )
  }
}
