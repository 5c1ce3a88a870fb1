import Autograd
import Tensor
import Testing

/// A training step of a small model of language has the same bits for any number of threads.
@Suite struct ThreadedTrainingTests {
  @Test(.timeLimit(.minutes(10)))
  func trainingDoesNotDependOnTheThreadCount() async {
    await #expect(processExitsWith: .success) {
      WorkPool.threadCount = 1
      let expected = SmallModel().train()
      for threads in [2, 3, 5] {
        WorkPool.threadCount = threads
        #expect(SmallModel().train() == expected, "\(threads) threads")
      }
    }
  }
}

/// Attention with rotary positions and a gated unit, with every kind of fused operation around.
private final class SmallModel: Module {
  let tokens: Embedding
  let attention: MultiHeadAttention
  let norm1: RMSNorm
  let norm2: LayerNorm
  let hidden: MLP
  let dropout: Dropout
  private let ids: Tensor<Int32>

  init() {
    var generator = Philox(seed: 9)
    let width = 96
    tokens = Embedding(count: 512, width: width, using: &generator)
    attention = MultiHeadAttention(
      MultiHeadAttention.Configuration(
        width: width,
        headCount: 6,
        keyHeadCount: 2,
        isCausal: true,
        rotary: RotaryEmbedding(headWidth: 16, base: 10_000)
      ),
      using: &generator
    )
    (norm1, norm2) = (RMSNorm(width: width), LayerNorm(width: width))
    hidden = MLP(widths: [width, 384, width], activation: .gelu, using: &generator)
    dropout = Dropout(rate: 0.1, using: &generator)
    ids = .integers([4, 128], in: 0..<512, using: &generator)
  }

  /// The elements of all parameters after two steps.
  func train() -> [[Float]] {
    let parameters = parameters()
    let optimizer = AdamW([ParameterGroup(parameters)], learningRate: 1e-3)
    for _ in 0..<2 {
      var x = tokens(ids)
      x = x + attention(norm1(x))
      x = x + dropout(hidden(norm2(x)))
      linearCrossEntropy(hidden: x, weight: tokens.weight.variable, targets: ids).backward()
      clipGradients(of: parameters, to: 1)
      optimizer.step()
      for parameter in parameters { parameter.clearGradient() }
    }
    return parameters.map(\.value.elements)
  }
}
