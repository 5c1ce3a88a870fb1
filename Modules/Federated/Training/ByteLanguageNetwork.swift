import Autograd
import Tensor

/// The sizes of a small language model over bytes.
public struct ByteLanguageNetwork: Codable, Hashable, Sendable {
  /// The width of the stream.
  public var width = 64
  /// The blocks.
  public var blockCount = 2
  /// The heads of each block; they divide the width.
  public var headCount = 4
  /// The hidden units of each block's perceptron.
  public var hiddenWidth = 256
  /// The bytes that a prediction sees at most.
  public var contextLength = 64

  /// A model of about 140,000 numbers.
  public init() {}

  static let vocabularySize = 256

  /// The global model.
  var description: ModelDescription {
    var names = DecoderNames()
    names.embedding = "embedding.weight"
    names.positions = "positions"
    names.blocks = "blocks."
    names.attentionNorm = "attention_norm"
    names.attention = ["query", "key", "value", "output"]
    names.feedForwardNorm = "mlp_norm"
    names.feedForward = ["", "up", "down"]
    names.norm = "norm"
    names.head = "head.weight"
    let shape = DecoderShape(
      vocabularySize: Self.vocabularySize,
      width: width,
      blockCount: blockCount,
      headCount: headCount,
      hiddenWidth: hiddenWidth,
      feedForward: .plain,
      positions: .learned(contextLength),
      hasBias: true,
      tiesEmbedding: false,
      tokenCount: contextLength
    )
    return .decoder(shape, names: names)
  }

  func check() throws(FederatedTaskError) {
    guard (1...4096).contains(width), (1...64).contains(blockCount),
      headCount > 0, width % headCount == 0, (1...65_536).contains(hiddenWidth),
      (2...4096).contains(contextLength)
    else { throw .settings("a language model of the sizes \(self)") }
  }
}

/// A pre-norm decoder over bytes with learned positions.
///
///     embedding.weight [256 × D], positions [T × D],
///     blocks.I.attention_norm, .query, .key, .value, .output, .mlp_norm, .up, .down,
///     norm, head.weight [256 × D]
///
/// A slice keeps the number of heads and narrows each of them.
final class ByteLanguageBody: Module {
  final class Block: Module {
    let attentionNorm, mlpNorm: LayerNorm
    let query, key, value, output, up, down: Linear
    let headCount: Int

    init(
      norms: (LayerNorm, LayerNorm),
      attention: [Linear],
      mlp: (up: Linear, down: Linear),
      headCount: Int
    ) {
      (attentionNorm, mlpNorm) = norms
      (query, key, value, output) = (attention[0], attention[1], attention[2], attention[3])
      (up, down) = mlp
      self.headCount = headCount
    }

    func visitParameters(_ visitor: ModuleVisitor) {
      visitor.visit("attention_norm", attentionNorm)
      visitor.visit("query", query)
      visitor.visit("key", key)
      visitor.visit("value", value)
      visitor.visit("output", output)
      visitor.visit("mlp_norm", mlpNorm)
      visitor.visit("up", up)
      visitor.visit("down", down)
    }

    func callAsFunction(_ input: Variable, scale: Float) -> Variable {
      let x = attentionNorm(input)  // [B, T, D]
      let mixed = attention(
        queries: heads(query(x).scaled(by: scale)),
        keys: heads(key(x).scaled(by: scale)),
        values: heads(value(x).scaled(by: scale)),
        layout: .positionsFirst,
        options: AttentionOptions(mask: .causal)
      )  // [B, T, H, d]
      let shape: Shape = [input.shape[0], input.shape[1], query.outputWidth]
      let middle = input + output(mixed.reshaped(to: shape)).scaled(by: scale)
      let hidden = up(mlpNorm(middle)).scaled(by: scale).gelu(.tanh)
      return middle + down(hidden).scaled(by: scale)
    }

    private func heads(_ x: Variable) -> Variable {
      x.reshaped(to: [x.shape[0], x.shape[1], headCount, x.shape[2] / headCount])
    }
  }

  let embedding: Embedding
  let positions: Parameter
  let blocks: [Block]
  let norm: LayerNorm
  let head: Linear

  func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("embedding", embedding)
    visitor.visit("positions", positions)
    visitor.visit("blocks", blocks)
    visitor.visit("norm", norm)
    visitor.visit("head", head)
  }

  init(_ sizes: ByteLanguageNetwork, using generator: inout Philox) {
    let (d, vocabulary) = (sizes.width, ByteLanguageNetwork.vocabularySize)
    let start = Initializer.normal(deviation: 0.02)
    embedding = Embedding(count: vocabulary, width: d, initializer: start, using: &generator)
    positions = Parameter(start([sizes.contextLength, d], using: &generator))
    var blocks: [Block] = []
    for _ in 0..<sizes.blockCount {
      let attention = (0..<4).map { _ in
        Linear(inputWidth: d, outputWidth: d, initializer: start, using: &generator)
      }
      blocks.append(
        Block(
          norms: (LayerNorm(width: d), LayerNorm(width: d)),
          attention: attention,
          mlp: (
            Linear(inputWidth: d, outputWidth: sizes.hiddenWidth, using: &generator),
            Linear(inputWidth: sizes.hiddenWidth, outputWidth: d, using: &generator)
          ),
          headCount: sizes.headCount
        )
      )
    }
    self.blocks = blocks
    norm = LayerNorm(width: d)
    head = Linear(
      inputWidth: d,
      outputWidth: vocabulary,
      hasBias: false,
      initializer: start,
      using: &generator
    )
  }

  /// A network of zeros of the widths that the shapes say.
  init(shapes: [String: Shape], headCount: Int) throws(FederatedTaskError) {
    guard let table = shapes["embedding.weight"], table.rank == 2, table[1] > 0,
      let places = shapes["positions"], places.rank == 2, places[1] == table[1]
    else { throw .shapes("\(shapes.keys.sorted()) are not the layers of a language model") }
    let d = table[1]
    embedding = Embedding(weight: .zeros(table))
    positions = .zeros(places)
    var blocks: [Block] = []
    while shapes["blocks.\(blocks.count).query.weight"] != nil {
      let name = "blocks.\(blocks.count)"
      var attention: [Linear] = []
      for part in ["query", "key", "value"] {
        attention.append(try shapes.zeroLinear("\(name).\(part)", inputs: d))
      }
      let inner = attention[0].outputWidth
      attention.append(try shapes.zeroLinear("\(name).output", inputs: inner))
      guard attention.prefix(3).allSatisfy({ $0.outputWidth == inner }), inner % headCount == 0,
        attention[3].outputWidth == d
      else { throw .shapes("\(name): \(inner) columns for \(headCount) heads") }
      let up = try shapes.zeroLinear("\(name).up", inputs: d)
      let down = try shapes.zeroLinear("\(name).down", inputs: up.outputWidth)
      guard down.outputWidth == d else { throw .shapes("\(name).down: \(down.outputWidth) rows") }
      blocks.append(
        Block(
          norms: (LayerNorm(width: d), LayerNorm(width: d)),
          attention: attention,
          mlp: (up, down),
          headCount: headCount
        )
      )
    }
    self.blocks = blocks
    norm = LayerNorm(width: d)
    guard let rows = shapes["head.weight"], rows.rank == 2, rows[1] == d else {
      throw .shapes("head.weight: \(shapes["head.weight"] ?? []) for \(d) columns")
    }
    head = Linear(weight: .zeros(rows))
  }

  /// Logits [B × T × 256] of bytes [B × T].
  func callAsFunction(_ bytes: Tensor<Int32>, scale: Float) -> Variable {
    let length = bytes.shape[1]
    let places = Tensor<Int32>((0..<Int32(length)).map { $0 })
    let start = embedding(bytes) + positions.variable.embedding(of: places)
    let x = blocks.reduce(start.scaled(by: scale)) { $1($0, scale: scale) }
    return head(norm(x))
  }
}

extension [String: Shape] {
  /// A layer of zeros of a name's shapes.
  fileprivate func zeroLinear(_ name: String, inputs: Int) throws(FederatedTaskError) -> Linear {
    guard let shape = self["\(name).weight"], shape.rank == 2, shape.count > 0,
      shape[1] == inputs, self["\(name).bias"] == [shape[0]]
    else { throw .shapes("\(name): \(self["\(name).weight"] ?? []) does not fit") }
    return Linear(weight: .zeros(shape), bias: .zeros([shape[0]]))
  }
}
