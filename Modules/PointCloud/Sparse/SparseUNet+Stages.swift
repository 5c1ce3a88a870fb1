import Autograd

/// A part of a sparse U-Net that works on whole levels: what a quantizer takes at a time.
public enum SparseUNetStage: Hashable, Sendable {
  /// The convolutions at full resolution.
  case stem
  /// A level on the way down, the finest first.
  case encoder(Int)
  /// A level on the way up, the coarsest first.
  case decoder(Int)

  /// The path of the stage in the network.
  public var path: String {
    switch self {
    case .stem: "stem"
    case .encoder(let level): "encoder.\(level)"
    case .decoder(let level): "decoder.\(level)"
    }
  }
}

/// What flows through a sparse U-Net between two stages.
public struct SparseUNetState {
  /// The features of now.
  public var value: SparseTensor
  /// What the decoder will join, the finest first.
  public var skips: [SparseTensor]

  /// The state in front of the stem.
  public init(_ input: SparseTensor) { (value, skips) = (input, []) }
}

extension SparseUNet {
  /// All stages in the order in which they work; the head is none.
  public var stages: [SparseUNetStage] {
    [.stem] + encoder.indices.map { .encoder($0) } + decoder.indices.map { .decoder($0) }
  }

  /// The state behind a stage.
  public func callAsFunction(_ stage: SparseUNetStage, _ state: SparseUNetState) -> SparseUNetState
  {
    var next = state
    switch stage {
    case .stem: next.value = stem.reduce(state.value) { value, unit in unit(value) }
    case .encoder(let level):
      next.skips.append(state.value)
      next.value = encoder[level](state.value)
    case .decoder(let level):
      next.value = decoder[level](state.value, joining: next.skips.removeLast())
    }
    return next
  }

  /// The sparse convolutions of a stage with their paths in the network, in execution order.
  public func convolutions(
    of stage: SparseUNetStage
  ) -> [(path: String, layer: any SparseConvolutionLayer)] {
    let prefix = stage.path + "."
    return namedModules().compactMap { entry in
      guard entry.name.hasPrefix(prefix) else { return nil }
      return (entry.module as? any SparseConvolutionLayer).map { (entry.name, $0) }
    }
  }
}
