public import Autograd
public import Tensor

/// The tensors of a model under their names, in a fixed order: a value.
///
///     var global = ParameterSet(of: model)
///     global["layers.0.weight"]          // Tensor<Float>?
///     try global.load(into: otherModel)
///
/// The order counts: flat layouts, wire formats and sums follow it.
public struct ParameterSet: Sendable {
  /// The names, in order.
  public private(set) var names: [String] = []
  /// The tensors, in the order of the names.
  public private(set) var tensors: [Tensor<Float>] = []
  private var places: [String: Int] = [:]

  /// A set without tensors.
  public init() {}

  /// A set of named tensors; no name may come twice.
  public init(_ entries: some Sequence<(String, Tensor<Float>)>) {
    for (name, tensor) in entries {
      expect(places[name] == nil, "parameter set: '\(name)' comes twice")
      self[name] = tensor
    }
  }

  /// The values of a module's parameters in the order of its properties, tied ones once.
  ///
  /// Buffers are not in it: running statistics are not averaged over models of several widths.
  public init(of module: any Module) {
    self.init(module.namedParameters().map { ($0.name, $0.parameter.value) })
  }

  /// A tensor by its name; setting a new name appends it, setting nil removes it (O(count)).
  public subscript(name: String) -> Tensor<Float>? {
    get { places[name].map { tensors[$0] } }
    set {
      switch (places[name], newValue) {
      case (let place?, let tensor?): tensors[place] = tensor
      case (nil, let tensor?):
        places[name] = names.count
        names.append(name)
        tensors.append(tensor)
      case (let place?, nil):
        names.remove(at: place)
        tensors.remove(at: place)
        places = [:]
        for (index, name) in names.enumerated() { places[name] = index }
      case (nil, nil): break
      }
    }
  }

  /// Zeros of the names and shapes of another set.
  public static func zeros(like other: ParameterSet) -> ParameterSet {
    other.mapValues { .zeros($0.shape) }
  }

  /// The place of a name in the order; nil if there is none.
  public func index(of name: String) -> Int? { places[name] }

  /// The number of tensors.
  public var count: Int { names.count }
  /// Whether there are no tensors.
  public var isEmpty: Bool { names.isEmpty }
  /// The number of all elements.
  public var scalarCount: Int { tensors.reduce(0) { $0 + $1.count } }
  /// The names and shapes in order.
  public var shapes: [(name: String, shape: Shape)] {
    zip(names, tensors).map { ($0, $1.shape) }
  }
  /// The names and tensors in order.
  public var entries: [(name: String, tensor: Tensor<Float>)] {
    zip(names, tensors).map { ($0, $1) }
  }
  /// The tensors by name, as checkpoints and modules take them.
  public var dictionary: [String: Tensor<Float>] {
    Dictionary(uniqueKeysWithValues: zip(names, tensors))
  }

  /// A set of the same names, each tensor replaced by what `transform` makes of it.
  public func mapValues(
    _ transform: (Tensor<Float>) throws -> Tensor<Float>
  ) rethrows -> ParameterSet {
    var result = self
    result.tensors = try tensors.map(transform)
    return result
  }

  /// Changes the tensor at a place of the order in its own memory.
  public mutating func update<Result>(
    at place: Int,
    _ body: (inout Tensor<Float>) throws -> Result
  ) rethrows -> Result {
    let shape = tensors[place].shape
    let result = try body(&tensors[place])
    expect(
      tensors[place].shape == shape,
      "parameter set: an update keeps the shape, \(shape) · \(tensors[place].shape)"
    )
    return result
  }

  /// The tensor of a name.
  ///
  /// - Throws: `FederatedError.missingParameter`, which lists the names that there are.
  public func tensor(_ name: String) throws(FederatedError) -> Tensor<Float> {
    guard let tensor = self[name] else { throw .missingParameter(name: name, known: names) }
    return tensor
  }

  /// Puts the tensors into the parameters of a module.
  ///
  /// - Throws: `FederatedError` with the first name or shape that does not fit; the module is then
  ///   as it was.
  public func load(into module: any Module) throws(FederatedError) {
    let targets = module.namedParameters()
    let known = targets.map(\.name)
    if let extra = names.first(where: { !known.contains($0) }) {
      throw .unexpectedParameter(name: extra, known: known)
    }
    for target in targets {
      let found = try tensor(target.name).shape
      guard found == target.parameter.shape else {
        throw .shapeMismatch(name: target.name, expected: target.parameter.shape, found: found)
      }
    }
    for target in targets { target.parameter.value = try tensor(target.name) }
  }

  /// Stops unless the names and shapes are those of `other`, in the same order.
  ///
  /// - Throws: `FederatedError` with the first difference.
  public func checkLayout(like other: ParameterSet) throws(FederatedError) {
    if let extra = names.first(where: { other.places[$0] == nil }) {
      throw .unexpectedParameter(name: extra, known: other.names)
    }
    for (name, tensor) in zip(other.names, other.tensors) {
      let found = try self.tensor(name).shape
      guard found == tensor.shape else {
        throw .shapeMismatch(name: name, expected: tensor.shape, found: found)
      }
    }
  }
}

extension ParameterSet: Equatable {
  /// Whether names, order, shapes and all elements are equal.
  public static func == (left: ParameterSet, right: ParameterSet) -> Bool {
    left.names == right.names && left.tensors == right.tensors
  }
}
