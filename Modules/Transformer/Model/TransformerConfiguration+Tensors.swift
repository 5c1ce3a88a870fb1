public import Tensor

/// A tensor of a model: where it stands in the module, how its family calls it, and its shape.
public struct TensorSpecification: Hashable, Sendable {
  /// The path of properties in the module: `blocks.0.attention.query.weight`.
  public let path: String
  /// The name in checkpoints of the family: `model.layers.0.self_attn.q_proj.weight`.
  public let name: String
  /// The extents.
  public let shape: Shape
}

extension TransformerConfiguration {
  /// All tensors that a model of this shape consists of, in execution order.
  public var tensors: [TensorSpecification] {
    var list = TensorList(names: family.names)
    let (d, e) = (hiddenWidth, embeddingWidth)
    list.add("embedding.weight", [vocabularyCount, e])
    if e != d { list.linear("projectIn", d, e, false) }
    if case .learned(let offset) = positions {
      list.add("positions.weight", [contextLength + offset, d])
    }
    if tokenTypeCount > 0 { list.add("tokenTypes.weight", [tokenTypeCount, d]) }
    if normalizesEmbedding { list.norm("embeddingNorm", d, norm) }
    for block in 0..<blockCount { addBlock("blocks.\(block).", to: &list) }
    if hasFinalNorm { list.norm("finalNorm", d, norm) }
    if e != d { list.linear("projectOut", e, d, false) }
    if isCausal && !tiesEmbedding { list.add("head.weight", [vocabularyCount, e]) }
    if hasPooler { list.linear("pooler", d, d, true) }
    return list.tensors
  }

  private func addBlock(_ block: String, to list: inout TensorList) {
    let (d, f) = (hiddenWidth, feedForwardWidth)
    let (queries, keys) = (headCount * headWidth, keyHeadCount * headWidth)
    let (attention, feedForward) = (block + "attention.", block + "feedForward.")
    for role in placement.normsBefore { list.norm(block + "attentionNorms.\(role)", d, norm) }
    list.linear(attention + "query", queries, d, hasAttentionBias)
    list.linear(attention + "key", keys, d, hasAttentionBias)
    list.linear(attention + "value", keys, d, hasAttentionBias)
    if queryKeyNorm != .none {
      let isWhole = queryKeyNorm == .wholeProjection
      list.norm(attention + "queryNorm", isWhole ? queries : headWidth, norm)
      list.norm(attention + "keyNorm", isWhole ? keys : headWidth, norm)
    }
    list.linear(attention + "output", d, queries, hasAttentionOutputBias)
    for role in placement.normsAfter { list.norm(block + "attentionNorms.\(role)", d, norm) }
    for role in placement.normsBefore { list.norm(block + "feedForwardNorms.\(role)", d, norm) }
    if case .gated = self.feedForward {
      list.linear(feedForward + "gate", f, d, hasFeedForwardBias)
    }
    list.linear(feedForward + "up", f, d, hasFeedForwardBias)
    list.linear(feedForward + "down", d, f, hasFeedForwardBias)
    for role in placement.normsAfter { list.norm(block + "feedForwardNorms.\(role)", d, norm) }
  }

  /// The names of the linear layers inside the blocks, in execution order.
  ///
  /// They are what a quantizer may replace. Embedding and head are not among them.
  public var blockLinearLayers: [String] {
    tensors.filter { $0.path.hasPrefix("blocks.") && $0.shape.rank == 2 }
      .map { String($0.name.dropLast(".weight".count)) }
  }

  /// The names of the embedding and, where it has its own matrix, of the head.
  public var embeddingLayers: [String] {
    tensors.filter { $0.path == "embedding.weight" || $0.path == "head.weight" }
      .map { String($0.name.dropLast(".weight".count)) }
  }

  /// The names of all tensors in checkpoints, in execution order.
  public var tensorNames: [String] { tensors.map(\.name) }

  /// The numbers that a model of this shape consists of.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.count } }

  /// The window of a block; nil if it sees all positions.
  func window(of block: Int) -> Int? { windows.indices.contains(block) ? windows[block] : nil }

  /// The factor of a block's attention scores.
  func attentionScale(of block: Int) -> Float {
    let scale = attentionScale ?? 1 / Float(headWidth).squareRoot()
    return dividesAttentionByDepth ? scale / Float(block + 1) : scale
  }
}

private struct TensorList {
  let names: TensorNames
  var tensors: [TensorSpecification] = []

  mutating func add(_ path: String, _ shape: Shape) {
    tensors.append(TensorSpecification(path: path, name: names.tensor(path), shape: shape))
  }

  mutating func linear(_ path: String, _ outputs: Int, _ inputs: Int, _ hasBias: Bool) {
    add(path + ".weight", [outputs, inputs])
    if hasBias { add(path + ".bias", [outputs]) }
  }

  mutating func norm(_ path: String, _ width: Int, _ kind: NormKind) {
    add(path + ".weight", [width])
    if kind == .layer { add(path + ".bias", [width]) }
  }
}
