import Autograd
import Tensor

/// The model of a training step: pre-LN with learned positions, GELU and an untied head, as
/// Tools/peers/torch_training.py has it in torch.
final class BenchGPT: Module {
  struct Size {
    let name: String
    let layers: Int
    let width: Int
    let heads: Int
    let vocabulary: Int
    var length = 256
    var batch = 8
  }

  let tokens: Embedding
  let positions: Embedding
  let blocks: [Block]
  let norm: LayerNorm
  let head: Linear
  private let order: Tensor<Int32>

  init(_ size: Size, using generator: inout Philox) {
    let width = size.width
    tokens = Embedding(count: size.vocabulary, width: width, using: &generator)
    positions = Embedding(count: size.length, width: width, using: &generator)
    var blocks: [Block] = []
    for _ in 0..<size.layers {
      blocks.append(Block(width: width, heads: size.heads, using: &generator))
    }
    self.blocks = blocks
    norm = LayerNorm(width: width)
    head = Linear(
      inputWidth: width,
      outputWidth: size.vocabulary,
      hasBias: false,
      using: &generator
    )
    order = Tensor(Array(0..<Int32(size.length)))
  }

  /// The mean cross-entropy; ids and targets [B × T].
  func loss(_ ids: Tensor<Int32>, targets: Tensor<Int32>) -> Variable {
    var x = tokens(ids) + positions(order)
    for block in blocks { x = block(x) }
    return linearCrossEntropy(hidden: norm(x), weight: head.weight.variable, targets: targets)
  }

  final class Block: Module {
    let norm1: LayerNorm
    let norm2: LayerNorm
    let qkv: Linear
    let out: Linear
    let up: Linear
    let down: Linear
    private let heads: Int

    init(width: Int, heads: Int, using generator: inout Philox) {
      func linear(_ inputs: Int, _ outputs: Int) -> Linear {
        Linear(inputWidth: inputs, outputWidth: outputs, hasBias: false, using: &generator)
      }
      (norm1, norm2) = (LayerNorm(width: width), LayerNorm(width: width))
      (qkv, out) = (linear(width, 3 * width), linear(width, width))
      (up, down) = (linear(width, 4 * width), linear(4 * width, width))
      self.heads = heads
    }

    func callAsFunction(_ x: Variable) -> Variable {
      let mixed = attention(
        fused: qkv(norm1(x)),
        headCount: heads,
        options: AttentionOptions(mask: .causal)
      )
      let middle = x + out(mixed)
      return middle + down(up(norm2(middle)).gelu(.tanh))
    }
  }
}
