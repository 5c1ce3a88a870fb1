import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Layers, their gradients and the names of their parameters as torch has them: every case of the
/// file, which `Tools/fixtures/layers.py` makes.
@Suite struct LayerConformance {
  typealias Case = AutogradConformance.Case

  static let file = Fixtures.checkout + "/Tests/Fixtures/layers/layers.safetensors"
  static let cases = AutogradConformance.cases(file)

  @Test func theFileHoldsCasesOfEveryLayer() {
    let layers = Set(Self.cases.compactMap { $0.arguments["layer"]?.stringValue })
    #expect(
      layers == [
        "embedding", "layer_norm", "rms_norm", "activation", "flatten", "mlp", "attention",
      ]
    )
  }

  @Test(arguments: cases)
  func layer(item: Case) throws {
    let (layer, output) = try built(item)
    var leaves = [("x", try item.leaf("x")), ("context", try item.leaf("context"))]
    let module = layer as? any Module
    let names = item.arguments["parameters"]?.arrayValue?.compactMap(\.stringValue) ?? []
    #expect(module?.namedParameters().map(\.name).sorted() ?? [] == names.sorted())
    try module?.load(
      Dictionary(uniqueKeysWithValues: names.map { ($0, try item.tensor($0)) })
    )
    for entry in module?.namedParameters() ?? [] {
      leaves.append((entry.name, entry.parameter.variable))
    }
    try item.expect(output(leaves[0].1, leaves[1].1), leaves, tolerance: 2e-5)
  }

  /// A layer of the case, and what computes its result from x and a context.
  private func built(_ item: Case) throws -> (Any, (Variable?, Variable?) throws -> Variable) {
    var generator = Philox(seed: 1)
    let arguments = item.arguments
    func plain(_ layer: any Layer) -> (Any, (Variable?, Variable?) throws -> Variable) {
      (layer, { x, _ in layer(try #require(x)) })
    }
    let name = try #require(arguments["layer"]?.stringValue)
    switch name {
    case "embedding":
      let shape = try item.tensor("weight").shape
      let padding = arguments["padding"]?.intValue.map { Int32($0) }
      let layer = Embedding(
        count: shape[0],
        width: shape[1],
        paddingIndex: padding,
        using: &generator
      )
      return (layer, { _, _ in layer(try item.numbers("ids")) })
    case "layer_norm":
      return plain(
        LayerNorm(
          width: try item.tensor("x").shape[-1],
          epsilon: try item.float("eps"),
          isAffine: arguments["affine"]?.boolValue ?? true,
          hasBias: arguments["bias"]?.boolValue ?? true
        )
      )
    case "rms_norm": return plain(try rmsNorm(item))
    case "activation":
      return plain(try activation(try #require(arguments["activation"]?.stringValue)))
    case "flatten":
      let first = try #require(arguments["first"]?.intValue)
      return plain(Flatten(from: first, through: try #require(arguments["last"]?.intValue)))
    case "mlp":
      return plain(
        MLP(
          widths: arguments["widths"]?.arrayValue?.compactMap(\.intValue) ?? [],
          activation: try activation(try #require(arguments["activation"]?.stringValue)),
          hasBias: arguments["bias"]?.boolValue ?? true,
          using: &generator
        )
      )
    case "attention":
      let layer = MultiHeadAttention(try attention(item), using: &generator)
      let kept = try item.has("kept") ? try item.numbers("kept") : nil
      return (
        layer, { layer(try #require($0), context: $1, mask: kept.map(keyMask) ?? .none) }
      )
    default: throw UnknownOperation(operation: name)
    }
  }

  private func rmsNorm(_ item: Case) throws -> RMSNorm {
    let width = try item.tensor("x").shape[-1]
    // Without an epsilon in the file the layer's own default is compared with torch's.
    guard item.arguments["eps"]?.isNull == false else { return RMSNorm(width: width) }
    return RMSNorm(
      width: width,
      epsilon: try item.float("eps"),
      isAffine: item.arguments["affine"]?.boolValue ?? true,
      weightOffset: Float(item.arguments["offset"]?.doubleValue ?? 0)
    )
  }

  private func activation(_ name: String) throws -> Activation {
    switch name {
    case "relu": .relu
    case "leaky": .leakyReLU()
    case "leaky2": .leakyReLU(slope: 0.2)
    case "elu": .elu(alpha: 0.7)
    case "gelu": .gelu
    case "gelu_tanh": .geluTanh
    case "silu": .silu
    case "tanh": .tanh
    case "sigmoid": .sigmoid
    case "softplus": .softplus
    default: throw UnknownOperation(operation: name)
    }
  }

  private func attention(_ item: Case) throws -> MultiHeadAttention.Configuration {
    func number(_ key: String) throws -> Int { try #require(item.arguments[key]?.intValue) }
    let rotary = try number("rotary")
    return MultiHeadAttention.Configuration(
      width: try number("width"),
      headCount: try number("heads"),
      keyHeadCount: try number("key_heads"),
      headWidth: try number("head_width"),
      contextWidth: try number("context_width"),
      isCausal: item.arguments["causal"]?.boolValue ?? false,
      hasBias: item.arguments["bias"]?.boolValue ?? true,
      rotary: rotary == 0 ? nil : RotaryEmbedding(headWidth: rotary, base: 10_000)
    )
  }

  /// A mask of keys [B × S] in which 1 is a key that counts.
  private func keyMask(_ kept: Tensor<Int32>) -> AttentionMask {
    let allowed = Tensor<Bool>(kept.elements.map { $0 != 0 }, shape: kept.shape)
    return AttentionMask(
      pairs: .allowed(allowed.reshaped(to: [kept.shape[0], 1, 1, kept.shape[1]]))
    )
  }
}

extension AutogradConformance.Case {
  /// A tensor of whole numbers.
  func numbers(_ tensor: String) throws -> Tensor<Int32> {
    try SafetensorsFile(path: path).tensor(named: "\(name).\(tensor)", as: Int32.self)
  }

  /// An argument that every case must have.
  func float(_ key: String) throws -> Float {
    Float(try #require(arguments[key]?.doubleValue, "\(name): no \(key)"))
  }
}
