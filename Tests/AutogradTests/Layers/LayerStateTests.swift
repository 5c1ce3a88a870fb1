import Autograd
import Tensor
import TestSupport
import Testing

/// What all layers share: names, states in files, freezing, replacement.
@Suite struct LayerStateTests {
  /// A block of a language model: every layer that has parameters, and those that have none.
  private final class Block: Module {
    let tokens: Embedding
    let norm: LayerNorm
    let attention: MultiHeadAttention
    let mixing: Sequential
    let final: RMSNorm

    init(seed: UInt64) {
      var generator = Philox(seed: seed)
      tokens = Embedding(count: 11, width: 6, paddingIndex: 0, using: &generator)
      norm = LayerNorm(width: 6)
      attention = MultiHeadAttention(
        .init(width: 6, headCount: 2, isCausal: true),
        using: &generator
      )
      mixing = Sequential(
        Sequential(
          MLP(widths: [6, 13, 6], activation: .gelu, dropout: 0.1, using: &generator),
          Activation.tanh
        ),
        Dropout(rate: 0.2, using: &generator)
      )
      final = RMSNorm(width: 6)
      for parameter in parameters() where parameter.shape.rank == 1 {
        parameter.fill(with: .uniform(from: 0.5, to: 1.5), using: &generator)
      }
    }

    func callAsFunction(_ ids: Tensor<Int32>) -> Variable {
      let x = tokens(ids)
      return final(mixing(x + attention(norm(x))))
    }
  }

  private let ids = Tensor<Int32>([1, 4, 0, 10, 3, 3, 7, 0], shape: [2, 4])

  @Test func aStateRoundTripsThroughAFileByName() throws {
    try withTemporaryFolder { folder in
      let (source, target) = (Block(seed: 1), Block(seed: 2))
      source.eval()
      target.eval()
      #expect(source(ids).value != target(ids).value)
      try source.save(to: folder + "/block.safetensors")
      try target.load(from: folder + "/block.safetensors")
      #expect(source(ids).value == target(ids).value)
    }
    #expect(
      Block(seed: 1).namedParameters().map(\.name) == [
        "tokens.weight", "norm.weight", "norm.bias", "attention.q_proj.weight",
        "attention.q_proj.bias", "attention.k_proj.weight", "attention.k_proj.bias",
        "attention.v_proj.weight", "attention.v_proj.bias", "attention.out_proj.weight",
        "attention.out_proj.bias", "mixing.0.0.layers.0.weight", "mixing.0.0.layers.0.bias",
        "mixing.0.0.layers.1.weight", "mixing.0.0.layers.1.bias", "final.weight",
      ]
    )
  }

  @Test func frozenPartsGetNoGradient() {
    let block = Block(seed: 3)
    let all = block.parameterCount.total
    block.freeze { $0.hasPrefix("tokens.") || $0.hasPrefix("attention.") }
    #expect(block.parameterCount.total == all)
    #expect(block.parameterCount.trainable == all - 66 - 4 * 42)
    block(ids).square().sum().backward()
    for entry in block.namedParameters() {
      #expect((entry.parameter.gradient != nil) == entry.parameter.isTrainable, "\(entry.name)")
    }
    block.unfreeze()
    #expect(block.parameterCount.trainable == all)
  }

  @Test func layersOfANestedSequentialAreReplacedByTheirPath() throws {
    let block = Block(seed: 4)
    let linear = block.namedLinearLayers().map(\.name)
    #expect(
      linear == [
        "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.out_proj",
        "mixing.0.0.layers.0", "mixing.0.0.layers.1",
      ]
    )
    let new = Linear(weight: Parameter(.zeros([6, 13])), bias: Parameter(.ones([6])))
    try block.replaceLayer(at: "mixing.0.0.layers.1", with: new)
    #expect(block.module(at: "mixing.0.0.layers.1") === new)
    let perceptron = try #require(block.module(at: "mixing.0.0") as? MLP)
    #expect(perceptron(Tensor<Float>.ones([2, 6])) == .ones([2, 6]))
    #expect(throws: ModuleError.self) {
      try block.replaceLayer(at: "mixing.0.0.layers.2", with: new)
    }
    let wide = Linear(weight: Parameter(.zeros([7, 13])))
    #expect(
      throws: ModuleError.layerMismatch(
        path: "mixing.0.0.layers.1",
        expected: [6, 13],
        found: [7, 13]
      )
    ) {
      try block.replaceLayer(at: "mixing.0.0.layers.1", with: wide)
    }
  }

  @Test func trainAndEvalReachEveryDropout() {
    let block = Block(seed: 5)
    block.eval()
    #expect(block(ids).value == block(ids).value)
    block.train()
    #expect(block(ids).value != block(ids).value)
  }

  @Test func normsStartAsTheIdentityOfTheirScale() {
    let layerNorm = LayerNorm(width: 3)
    #expect(layerNorm.state() == ["weight": .ones([3]), "bias": .zeros([3])])
    #expect(LayerNorm(width: 3, hasBias: false).state() == ["weight": .ones([3])])
    #expect(LayerNorm(width: 3, isAffine: false).parameters().isEmpty)
    #expect(RMSNorm(width: 3).state() == ["weight": .ones([3])])
    #expect(RMSNorm(width: 3, weightOffset: 1).state() == ["weight": .zeros([3])])
    #expect(RMSNorm(width: 3).epsilon == 0x1p-23)
    let x = Tensor<Float>([3, 4, 0, 12], shape: [2, 2])
    // 3 and 4 over √((9 + 16) / 2); 0 and 12 over √(144 / 2).
    let expected: [Float] = [0.848528, 1.131371, 0, 1.414214]
    expectClose(RMSNorm(width: 2)(x).elements, expected, relative: 1e-5)
    expectClose(
      RMSNorm(width: 2, weightOffset: 1)(Variable(x)).value.elements,
      expected,
      relative: 1e-5
    )
  }

  @Test func theTableStartsNormalWithZerosForPadding() {
    var generator = Philox(seed: 6)
    let table = Embedding(count: 50, width: 40, paddingIndex: 7, using: &generator)
    #expect(table.count == 50 && table.width == 40)
    #expect(table.weight.value[7] == .zeros([40]))
    // 1 960 draws: the deviation of their mean square is √(2 / 1960) = 0.032.
    #expect(abs(table.weight.value.square().sum() / 1960 - 1) < 0.16)
    let head = Linear(weight: table.weight)
    #expect(head.weight === table.weight)
  }

  @Test func widthsThatDoNotFitStop() async throws {
    let norm = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = LayerNorm(width: 4)(Tensor<Float>.ones([2, 3]))
      }
    )
    let text = String(decoding: norm.standardErrorContent, as: UTF8.self)
    #expect(
      text.contains("layer norm: the last axis does not fit, \(Shape([2, 3])) · \(Shape([4]))")
    )
    let perceptron = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var generator = Philox(seed: 1)
        _ = MLP(layers: [
          Linear(inputWidth: 2, outputWidth: 3, using: &generator),
          Linear(inputWidth: 4, outputWidth: 5, using: &generator),
        ])
      }
    )
    let fault = String(decoding: perceptron.standardErrorContent, as: UTF8.self)
    #expect(fault.contains("mlp: layers 0 and 1 do not fit, [3 × 2] · [5 × 4]"))
    let padding = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Embedding(weight: Parameter(.zeros([3, 2])), paddingIndex: 3)
      }
    )
    let row = String(decoding: padding.standardErrorContent, as: UTF8.self)
    #expect(row.contains("embedding: the padding index 3 is no row of \(Shape([3, 2]))"))
  }
}
