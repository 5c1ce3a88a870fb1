import Autograd
import Tensor

/// Blocks of a norm, two linear layers and a residual step, over an embedding.
struct ToyStack: BlockStack {
  static let width = 16
  private static let vocabulary = 11
  let blockCount: Int
  let seed: UInt64
  /// What becomes of every weight before it is used.
  let change: @Sendable (Tensor<Float>) -> Tensor<Float>

  init(
    blockCount: Int = 3,
    seed: UInt64 = 1,
    change: @escaping @Sendable (Tensor<Float>) -> Tensor<Float> = { $0 }
  ) {
    self.blockCount = blockCount
    self.seed = seed
    self.change = change
  }

  private func generator(_ number: Int) -> Philox { Philox(seed: seed).fork(number) }

  private var table: Tensor<Float> {
    var generator = generator(0)
    return .normal([Self.vocabulary, Self.width], using: &generator)
  }

  func embedding(_ samples: Tensor<Int32>) -> Tensor<Float> {
    table.rows(samples.elements).reshaped(to: Shape(samples.shape.extents + [Self.width]))
  }

  func block(_ index: Int) -> any StackedBlock {
    var generator = generator(index + 1)
    let block = ToyBlock(using: &generator)
    for (_, layer) in block.namedLinearLayers() {
      guard let layer = layer as? Linear else { continue }
      layer.weight.value = change(layer.weight.value)
    }
    return block
  }

  func head(_ states: Variable) -> Variable {
    states.matmul(Variable(table), transposingOther: true)
  }

  func checkpointName(of path: String, inBlock index: Int) -> String { "layers.\(index).\(path)" }

  static func samples(_ count: Int, seed: UInt64 = 7) -> Tensor<Int32> {
    var generator = Philox(seed: seed)
    return .integers([count, 6], in: 0..<Int32(vocabulary), using: &generator)
  }
}

final class ToyBlock: StackedBlock, LinearLayerOwner {
  let norm: RMSNorm
  var up: any LinearLayer
  var side: any LinearLayer
  var down: any LinearLayer

  static var linearLayers: [LinearLayerPath<ToyBlock>] {
    [("down", \.down), ("up", \.up), ("side", \.side)]
  }

  init(using generator: inout Philox) {
    let width = ToyStack.width
    norm = RMSNorm(
      weight: Parameter(.uniform([width], from: 0.5, to: 4, using: &generator)),
      epsilon: 1e-5
    )
    up = Linear(inputWidth: width, outputWidth: 2 * width, using: &generator)
    side = Linear(inputWidth: width, outputWidth: 2 * width, hasBias: false, using: &generator)
    down = Linear(inputWidth: 2 * width, outputWidth: width, hasBias: false, using: &generator)
  }

  func callAsFunction(_ states: Variable) -> Variable {
    let x = norm(states)
    return states + down(up(x).gelu() * side(x))
  }

  var normedLayers: [NormedLayers] {
    norm.weight.map { [NormedLayers(scale: $0, layers: ["up", "side"])] } ?? []
  }
}
