public import Tensor

/// How the extents of one axis of a parameter come about.
public enum AxisWiring: Codable, Hashable, Sendable {
  /// An extent that is never cut: network inputs, classes, kernel sizes, the vocabulary.
  case whole(Int)
  /// The channels of a group, `blocks` times, each channel at `positions` neighbouring places.
  ///
  /// Index (block · channels + channel) · positions + position. One block and one position is the
  /// plain case; the heads of attention are blocks, a flattened plane has many positions.
  case channels(String, blocks: Int = 1, positions: Int = 1)
}

/// One group of channels that are cut together: the outputs of a layer, the width of a residual
/// stream with everything that is added to it, the inside of every attention head.
public struct ChannelGroup: Codable, Hashable, Sendable {
  /// The name that wirings use.
  public var name: String
  /// How many channels the global model has.
  public var count: Int

  /// A group.
  public init(_ name: String, count: Int) {
    self.name = name
    self.count = count
  }
}

/// Where in the network a parameter is used.
public enum ParameterRole: Codable, Hashable, Sendable {
  /// Before all blocks: embeddings, the first layers.
  case stem
  /// In the block of this number, from 0.
  case block(Int)
  /// After all blocks: the last norm and the layer whose rows are the classes.
  case head
  /// In the extra head of a network that ends after this many blocks.
  case exit(Int)
}

/// A parameter: its name, the wiring of each axis, its place.
public struct ParameterDescription: Codable, Hashable, Sendable {
  /// The name in the parameter set.
  public var name: String
  /// How each axis is wired, outermost first.
  public var axes: [AxisWiring]
  /// Where it is used.
  public var role: ParameterRole
  /// Whether row i belongs to class i, so that devices without the class can be left out.
  public var hasClassRows: Bool

  /// A description.
  public init(
    _ name: String,
    axes: [AxisWiring],
    role: ParameterRole = .stem,
    hasClassRows: Bool = false
  ) {
    self.name = name
    self.axes = axes
    self.role = role
    self.hasClassRows = hasClassRows
  }
}

/// What one layer computes, for costs.
public struct LayerDescription: Codable, Hashable, Sendable {
  /// The work of a layer at each position of a sample.
  public enum Work: Codable, Hashable, Sendable {
    /// A product with the layer's matrices: two operations for each of their entries.
    case product
    /// A norm or an activation: a few operations for each output, which are not counted.
    case elementwise
    /// The scores and sums of attention over all pairs of positions, for outputs of all heads.
    case attention
    /// A look-up of rows.
    case lookup
  }

  /// The parameters that the layer uses.
  public var parameters: [String]
  /// What it does with them.
  public var work: Work
  /// How often in a sample: pixels of the output, tokens; 1 for a dense layer.
  public var positions: Int
  /// The channels that it gives at each position.
  public var output: AxisWiring
  /// Where it is used.
  public var role: ParameterRole

  /// A description.
  public init(
    _ parameters: [String],
    work: Work,
    positions: Int = 1,
    output: AxisWiring,
    role: ParameterRole = .stem
  ) {
    self.parameters = parameters
    self.work = work
    self.positions = positions
    self.output = output
    self.role = role
  }
}

/// The wiring of a network: what slicing, cutting and costs need to know of it.
///
/// Everything that must be cut alike is one `ChannelGroup`. So residual sums, shortcuts, depthwise
/// convolutions, tied embeddings and the two sides of a layer need no rules of their own:
///
///     ModelDescription.mlp(widths: [784, 128, 64, 10])   // groups "hidden.0" and "hidden.1"
///
/// - A convolution of g groups: outputs `.channels("out", blocks: g)` with out = O/g channels, inputs
///   `.channels("in")` with in = I/g; the layer before gives `.channels("in", blocks: g)`.
/// - Flattened planes of H × W: `.channels("planes", positions: H · W)`.
/// - Attention: rows of q `.channels("head", blocks: heads)`, of k and v with their own number of
///   heads; with rotary positions that turn index i together with i + d/2, twice the blocks of d/2.
public struct ModelDescription: Codable, Hashable, Sendable {
  /// The groups of channels.
  public let groups: [ChannelGroup]
  /// The parameters in the order of the parameter set.
  public let parameters: [ParameterDescription]
  /// The layers in the order of execution.
  public let layers: [LayerDescription]
  /// How many blocks a cut in depth may count.
  public let blockCount: Int

  /// A description of a network.
  ///
  /// - Throws: `FederatedError.invalidDescription` if a name comes twice or means nothing.
  public init(
    groups: [ChannelGroup],
    parameters: [ParameterDescription],
    layers: [LayerDescription],
    blockCount: Int = 0
  ) throws(FederatedError) {
    self.groups = groups
    self.parameters = parameters
    self.layers = layers
    self.blockCount = blockCount
    try check()
  }

  private func check() throws(FederatedError) {
    let groupNames = Set(groups.map(\.name))
    let names = Set(parameters.map(\.name))
    guard groupNames.count == groups.count, names.count == parameters.count else {
      throw .invalidDescription("a group or a parameter comes twice")
    }
    guard groups.allSatisfy({ $0.count > 0 }) else {
      throw .invalidDescription("a group without channels")
    }
    let wirings = parameters.flatMap(\.axes) + layers.map(\.output)
    for case .channels(let group, let blocks, let positions) in wirings {
      guard groupNames.contains(group) else {
        throw .invalidDescription("no group '\(group)', there are \(listed(groupNames.sorted()))")
      }
      guard blocks > 0, positions > 0 else {
        throw .invalidDescription("\(blocks) blocks and \(positions) positions of '\(group)'")
      }
    }
    for name in layers.flatMap(\.parameters) where !names.contains(name) {
      throw .invalidDescription("a layer uses '\(name)', which is no parameter")
    }
  }

  /// The description of a parameter; nil if there is none of this name.
  public func parameter(_ name: String) -> ParameterDescription? {
    parameters.first { $0.name == name }
  }

  /// The shape of a parameter in the global model.
  public func shape(of parameter: ParameterDescription) -> Shape {
    Shape(parameter.axes.map { extent(of: $0) { $0.count } })
  }

  /// The extent of an axis when each group has `count` channels.
  func extent(of axis: AxisWiring, count: (ChannelGroup) -> Int) -> Int {
    switch axis {
    case .whole(let extent): extent
    case .channels(let name, let blocks, let positions):
      (groups.first { $0.name == name }.map(count) ?? 0) * blocks * positions
    }
  }

  /// The weight matrices and kernels inside the network: no vector, no head, no table of rows.
  public var hiddenMatrices: [String] {
    let tables = Set(layers.filter { $0.work == .lookup }.flatMap(\.parameters))
    return matrices.filter { name in
      !tables.contains(name) && parameter(name)?.hasClassRows != true
    }
  }

  /// All parameters of two axes or more that layers multiply with.
  public var matrices: [String] {
    let used = Set(layers.filter { $0.work == .product }.flatMap(\.parameters))
    return parameters.filter { $0.axes.count > 1 && used.contains($0.name) }.map(\.name)
  }

  /// The parameters whose rows are the classes.
  public var classParameters: [String] { parameters.filter(\.hasClassRows).map(\.name) }

  /// Stops unless a set holds exactly the described parameters.
  ///
  /// - Throws: `FederatedError` with the first name or shape that does not fit.
  public func check(_ parameters: ParameterSet) throws(FederatedError) {
    let known = self.parameters.map(\.name)
    if let extra = parameters.names.first(where: { parameter($0) == nil }) {
      throw .unexpectedParameter(name: extra, known: known)
    }
    for description in self.parameters {
      let found = try parameters.tensor(description.name).shape
      let expected = shape(of: description)
      guard found == expected else {
        throw .shapeMismatch(name: description.name, expected: expected, found: found)
      }
    }
  }
}
