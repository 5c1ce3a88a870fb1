public import Autograd
public import Tensor

/// Why low-rank adapters cannot be put into a model, written or read.
public enum LowRankAdapterError: Error, Equatable, CustomStringConvertible {
  /// No layer has such a name; `known` lists those that there are.
  case unknownTargets([String], known: [String])
  /// No layer was chosen, or none of the model has an adapter.
  case noLayers(known: [String])
  /// The layer has an adapter already.
  case alreadyAdapted(layer: String)
  /// The adapters differ in rank or α, which one configuration does not say.
  case mixedAdapters(layers: [String])
  /// The file needs what this version does not do.
  case unsupported(path: String, reason: String)

  /// What is wrong and what to do.
  public var description: String {
    switch self {
    case .unknownTargets(let names, let known):
      "adapters: no layer is called \(names.joined(separator: ", ")); known are "
        + known.joined(separator: ", ")
    case .noLayers(let known):
      "adapters: there is no layer to adapt; known are \(known.joined(separator: ", "))"
    case .alreadyAdapted(let layer):
      "adapters: \(layer) has one already; merge it before another is added"
    case .mixedAdapters(let layers):
      "adapters: \(layers.joined(separator: " and ")) differ in rank or alpha; write adapters of one "
        + "rank and alpha"
    case .unsupported(let path, let reason): "adapters: \(path): \(reason)"
    }
  }
}

extension DecoderModel {
  /// Freezes the model and puts low-rank adapters beside layers of its blocks.
  ///
  ///     try model.addLowRankAdapters(rank: 8, alpha: 16, to: ["q_proj", "v_proj"], using: &generator)
  ///
  /// - Parameters:
  ///   - rank: r, at least 1.
  ///   - alpha: α, the product counts α/r times; nil for r.
  ///   - targets: the layers, by the family's names or the module's, or by the last parts of either:
  ///     `q_proj`, `self_attn.q_proj`, `attention.query`.
  ///   - generator: the source of the first numbers.
  /// - Returns: the paths of the adapted layers, in execution order.
  /// - Throws: `LowRankAdapterError`; the model is then as before.
  @discardableResult
  public func addLowRankAdapters(
    rank: Int,
    alpha: Float? = nil,
    to targets: [String],
    using generator: inout Philox
  ) throws(LowRankAdapterError) -> [String] {
    let layers = blockLayers
    func matches(_ target: String, _ path: String) -> Bool {
      [path, familyName(path)].contains { $0 == target || $0.hasSuffix("." + target) }
    }
    let unknown = targets.filter { target in !layers.contains { matches(target, $0.path) } }
    guard unknown.isEmpty else { throw .unknownTargets(unknown, known: targetNames) }
    return try addLowRankAdapters(rank: rank, alpha: alpha, using: &generator) { path in
      targets.contains { matches($0, path) }
    }
  }

  /// Freezes the model and puts low-rank adapters beside the layers of its blocks that
  /// `isIncluded` accepts.
  ///
  /// - Parameters:
  ///   - rank: r, at least 1.
  ///   - alpha: α, the product counts α/r times; nil for r.
  ///   - generator: the source of the first numbers.
  ///   - isIncluded: whether the layer at a path such as `blocks.0.attention.query` is adapted.
  /// - Returns: the paths of the adapted layers, in execution order.
  /// - Throws: `LowRankAdapterError`; the model is then as before.
  @discardableResult
  public func addLowRankAdapters(
    rank: Int,
    alpha: Float? = nil,
    using generator: inout Philox,
    where isIncluded: (_ path: String) -> Bool
  ) throws(LowRankAdapterError) -> [String] {
    let chosen = blockLayers.filter { isIncluded($0.path) }
    guard !chosen.isEmpty else { throw .noLayers(known: targetNames) }
    for (path, layer) in chosen where layer is LowRankLinear { throw .alreadyAdapted(layer: path) }
    freeze()
    var adapted: [String: any LinearLayer] = [:]
    for (path, layer) in chosen {
      adapted[path] = LowRankLinear(layer, rank: rank, alpha: alpha, using: &generator)
    }
    replaceBlockLayers(with: adapted)
    return chosen.map(\.path)
  }

  /// The adapted layers with their paths, in execution order.
  public var lowRankAdapters: [(path: String, layer: LowRankLinear)] {
    blockLayers.compactMap { path, layer in (layer as? LowRankLinear).map { (path, $0) } }
  }

  /// Puts dense layers that compute the same in the place of those with adapters.
  ///
  /// The new layers hold floats and are not trained, whatever the base was.
  public func mergeLowRankAdapters() {
    var merged: [String: any LinearLayer] = [:]
    for (path, layer) in lowRankAdapters {
      let bias = layer.denseBias()
      let hasBias = bias.elements.contains { $0 != 0 }
      merged[path] = FrozenLinear(weight: .float32(layer.merged()), bias: hasBias ? bias : nil)
    }
    replaceBlockLayers(with: merged)
  }
}

// MARK: - The layers of the blocks

extension DecoderModel {
  /// The linear layers of the blocks with their paths, in execution order.
  var blockLayers: [(path: String, layer: any LinearLayer)] {
    var layers: [(path: String, layer: any LinearLayer)] = []
    forEachOwner { prefix, owner in
      layers += owner.ownLayers.map { (prefix + $0.name, $0.layer) }
    }
    return layers
  }

  /// The name that the family has for the layer at a path.
  func familyName(_ path: String) -> String { configuration.family.names.layer(path) }

  /// The last parts of the family's names of layers, each once.
  var targetNames: [String] {
    var names: [String] = []
    for (path, _) in blockLayers {
      let name = familyName(path).split(separator: ".").last.map(String.init) ?? path
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// Puts layers at their paths.
  func replaceBlockLayers(with layers: [String: any LinearLayer]) {
    forEachOwner { prefix, owner in owner.replaceOwnLayers { layers[prefix + $0] } }
  }

  private func forEachOwner(_ body: (_ prefix: String, _ owner: any LinearLayerOwner) -> Void) {
    for (index, block) in self.body.blocks.enumerated() {
      body("blocks.\(index).attention.", block.attention)
      guard let owner = block.feedForward as? any LinearLayerOwner else { continue }
      body("blocks.\(index).feedForward.", owner)
    }
  }
}

extension LinearLayerOwner {
  fileprivate var ownLayers: [(name: String, layer: any LinearLayer)] {
    Self.linearLayers.map { ($0.0, self[keyPath: $0.1]) }
  }

  fileprivate func replaceOwnLayers(_ layer: (_ name: String) -> (any LinearLayer)?) {
    for (name, place) in Self.linearLayers {
      if let layer = layer(name) { self[keyPath: place] = layer }
    }
  }
}
