import Tensor

extension Module {
  /// The linear layers with their paths, in execution order.
  ///
  /// A module's published layers come first, in the order in which it lists them, then those of its
  /// parts in the order of the properties. A layer that is held at several places comes once.
  public func namedLinearLayers() -> [(name: String, layer: any LinearLayer)] {
    namedLayers { module in
      (module as? any LinearLayerOwner)?.published.map { ($0.name, $0.layer) } ?? []
    } as: {
      $0 as? any LinearLayer
    }
  }

  /// The convolutions with their paths, in execution order; see `namedLinearLayers()`.
  public func namedConvolutionLayers() -> [(name: String, layer: any ConvolutionLayer)] {
    namedLayers { module in
      (module as? any ConvolutionLayerOwner)?.published.map { ($0.name, $0.layer) } ?? []
    } as: {
      $0 as? any ConvolutionLayer
    }
  }

  /// The linear layer at a path such as `blocks.0.attention.query`; nil when there is none.
  public func layer(at path: String) -> (any LinearLayer)? {
    module(at: path) as? any LinearLayer
  }

  /// The convolution at a path; nil when there is none.
  public func convolutionLayer(at path: String) -> (any ConvolutionLayer)? {
    module(at: path) as? any ConvolutionLayer
  }

  /// The module at a path; nil when there is none.
  public func module(at path: String) -> (any Module)? {
    namedModules().first { $0.name == path || $0.aliases.contains(path) }?.module
  }

  /// Puts another linear layer at a path that its owner publishes.
  ///
  /// Only this place changes: a tied layer stays at its other places.
  ///
  /// - Parameters:
  ///   - path: where, such as `blocks.0.attention.query`.
  ///   - layer: a layer of the same widths.
  /// - Throws: `ModuleError.missingLayer`, `.fixedLayer` or `.layerMismatch`.
  public func replaceLayer(at path: String, with layer: any LinearLayer) throws(ModuleError) {
    guard let old = self.layer(at: path) else {
      throw .missingLayer(path: path, known: namedLinearLayers().map(\.name))
    }
    let (expected, found) = (
      Shape([old.outputWidth, old.inputWidth]), Shape([layer.outputWidth, layer.inputWidth])
    )
    guard expected == found else {
      throw .layerMismatch(path: path, expected: expected, found: found)
    }
    try replace(at: path) { owner, name in
      if let owner = owner as? any LinearLayerOwner { return owner.replace(name, with: layer) }
      return (owner as? any LayerList)?.replace(name, with: layer) ?? false
    }
  }

  /// Puts another convolution at a path that its owner publishes.
  ///
  /// - Parameters:
  ///   - path: where, such as `stages.0.convolution`.
  ///   - layer: a layer of the same numbers of channels.
  /// - Throws: `ModuleError.missingLayer`, `.fixedLayer` or `.layerMismatch`.
  public func replaceLayer(at path: String, with layer: any ConvolutionLayer) throws(ModuleError) {
    guard let old = convolutionLayer(at: path) else {
      throw .missingLayer(path: path, known: namedConvolutionLayers().map(\.name))
    }
    let (expected, found) = (
      Shape([old.outputChannels, old.inputChannels]),
      Shape([layer.outputChannels, layer.inputChannels])
    )
    guard expected == found else {
      throw .layerMismatch(path: path, expected: expected, found: found)
    }
    try replace(at: path) { owner, name in
      if let owner = owner as? any ConvolutionLayerOwner { return owner.replace(name, with: layer) }
      return (owner as? any LayerList)?.replace(name, with: layer) ?? false
    }
  }

  /// Offers the replacement to every module above the path, the nearest first.
  private func replace(
    at path: String,
    by exchange: (_ owner: any Module, _ name: String) -> Bool
  ) throws(ModuleError) {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false)
    var nearest = "\(Self.self)"
    for count in stride(from: parts.count - 1, through: 0, by: -1) {
      guard let owner = module(at: parts[..<count].joined(separator: ".")) else { continue }
      if exchange(owner, parts[count...].joined(separator: ".")) { return }
      if count == parts.count - 1 { nearest = "\(type(of: owner))" }
    }
    throw .fixedLayer(path: path, owner: nearest)
  }

  private func namedLayers<Kind>(
    published: (any Module) -> [(name: String, layer: Kind)],
    as cast: (any Module) -> Kind?
  ) -> [(name: String, layer: Kind)] {
    var seen: Set<ObjectIdentifier> = []
    var found: [(name: String, layer: Kind)] = []
    for entry in namedModules() {
      for (name, layer) in published(entry.module) {
        guard let module = layer as? any Module else { continue }
        guard seen.insert(ObjectIdentifier(module)).inserted else { continue }
        found.append((entry.name.isEmpty ? name : entry.name + "." + name, layer))
      }
      guard let layer = cast(entry.module) else { continue }
      if seen.insert(ObjectIdentifier(entry.module)).inserted { found.append((entry.name, layer)) }
    }
    return found
  }
}

extension LinearLayerOwner {
  fileprivate var published: [(name: String, layer: any LinearLayer)] {
    Self.linearLayers.map { ($0.0, self[keyPath: $0.1]) }
  }

  fileprivate func replace(_ name: String, with layer: any LinearLayer) -> Bool {
    guard let place = Self.linearLayers.first(where: { $0.0 == name }) else { return false }
    self[keyPath: place.1] = layer
    return true
  }
}

extension ConvolutionLayerOwner {
  fileprivate var published: [(name: String, layer: any ConvolutionLayer)] {
    Self.convolutionLayers.map { ($0.0, self[keyPath: $0.1]) }
  }

  fileprivate func replace(_ name: String, with layer: any ConvolutionLayer) -> Bool {
    guard let place = Self.convolutionLayers.first(where: { $0.0 == name }) else { return false }
    self[keyPath: place.1] = layer
    return true
  }
}
