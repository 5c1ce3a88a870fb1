import Checkpoints
public import Tensor

/// What a lenient load left aside.
public struct StateReport: Equatable, Sendable {
  /// Names of the module that the state lacked: they kept their values.
  public var missing: [String] = []
  /// Names of the state that the module lacks: they were ignored.
  public var unexpected: [String] = []

  /// The names on one side only.
  public init(missing: [String] = [], unexpected: [String] = []) {
    self.missing = missing
    self.unexpected = unexpected
  }
}

/// Which parameters a state holds; buffers are in it always.
public enum StateScope: String, Codable, Hashable, Sendable {
  /// All.
  case all
  /// Those that are trained: what a run changes on top of a model that is kept elsewhere.
  case trainable

  fileprivate func includes(_ parameter: Parameter) -> Bool {
    self == .all || parameter.isTrainable
  }
}

extension Module {
  /// The values of all parameters and buffers by name; tied ones once, under their first name.
  public func state() -> [String: Tensor<Float>] { state(of: .all) }

  /// The values of the parameters of a scope, and of all buffers, by name; tied ones once, under
  /// their first name.
  public func state(of scope: StateScope) -> [String: Tensor<Float>] {
    let visitor = ModuleVisitor(visiting: self)
    var state: [String: Tensor<Float>] = [:]
    for entry in visitor.parameters where scope.includes(entry.parameter) {
      state[entry.name] = entry.parameter.value
    }
    for entry in visitor.buffers { state[entry.name] = entry.buffer.value }
    return state
  }

  /// Takes over the values of a state, all or none: a state that does not fit changes nothing.
  ///
  /// A tied parameter may come under any of its names, the first one counts.
  ///
  /// - Parameters:
  ///   - state: tensors by name, of the module's shapes.
  ///   - scope: the parameters that the state is of; others keep their values.
  ///   - strict: whether names on one side only are errors; shapes must always fit.
  /// - Returns: the names on one side only.
  /// - Throws: `ModuleError.stateMismatch` with all differences.
  @discardableResult
  public func load(
    _ state: [String: Tensor<Float>],
    of scope: StateScope = .all,
    strict: Bool = true
  ) throws(ModuleError) -> StateReport {
    let plan = StatePlan(ModuleVisitor(visiting: self), state.mapValues(\.shape), scope)
    let report = try plan.checked(strict: strict)
    for step in plan.steps {
      if let tensor = state[step.source] { step.assign(tensor) }
    }
    return report
  }

  /// Writes the state to a safetensors file, which appears complete or not at all.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - metadata: free-form strings for the file's header.
  /// - Throws: `ModuleError.checkpoint`.
  public func save(to path: String, metadata: [String: String] = [:]) throws(ModuleError) {
    try reading { () throws(CheckpointError) in
      try SafetensorsFile.write(state(), metadata: metadata, to: path)
    }
  }

  /// Takes over the state in a safetensors file, index or folder, all or none.
  ///
  /// Half and bfloat16 numbers become floats. The file is read completely, so it may be replaced
  /// while the module lives.
  ///
  /// - Parameters:
  ///   - path: the file, the index of shards, or the folder of either.
  ///   - strict: whether names on one side only are errors; shapes must always fit.
  /// - Returns: the names on one side only.
  /// - Throws: `ModuleError.stateMismatch` with all differences, or `.checkpoint`.
  @discardableResult
  public func load(from path: String, strict: Bool = true) throws(ModuleError) -> StateReport {
    let file = try reading { () throws(CheckpointError) in
      try Checkpoint(path: path, mode: .inMemory)
    }
    let shapes = file.names.map { ($0, file[$0]?.shape ?? []) }
    let plan = StatePlan(ModuleVisitor(visiting: self), Dictionary(uniqueKeysWithValues: shapes))
    let report = try plan.checked(strict: strict)
    let tensors = try reading { () throws(CheckpointError) in
      var tensors: [Tensor<Float>] = []
      for step in plan.steps { tensors.append(try file.tensor(named: step.source)) }
      return tensors
    }
    for (step, tensor) in zip(plan.steps, tensors) { step.assign(tensor) }
    return report
  }
}

/// Runs what reads or writes a file, with its error as a module's.
private func reading<Result>(
  _ body: () throws(CheckpointError) -> Result
) throws(ModuleError) -> Result {
  do throws(CheckpointError) { return try body() } catch { throw .checkpoint(error) }
}

/// Which tensor of a state goes where.
private struct StatePlan {
  enum Target {
    case parameter(Parameter)
    case buffer(Buffer)
  }

  struct Step {
    let source: String
    let target: Target

    func assign(_ tensor: Tensor<Float>) {
      switch target {
      case .parameter(let parameter): parameter.value = tensor
      case .buffer(let buffer): buffer.value = tensor
      }
    }
  }

  private(set) var steps: [Step] = []
  private var mismatch = StateMismatch()
  private var unused: Set<String>

  init(
    _ visitor: ModuleVisitor,
    _ shapes: [String: Shape],
    _ scope: StateScope = .all
  ) {
    unused = Set(shapes.keys)
    for entry in visitor.parameters where scope.includes(entry.parameter) {
      let names = [entry.name] + entry.aliases
      add(names, entry.parameter.shape, .parameter(entry.parameter), shapes)
    }
    for entry in visitor.buffers {
      add([entry.name] + entry.aliases, entry.buffer.shape, .buffer(entry.buffer), shapes)
    }
    mismatch.unexpected = unused.sorted()
  }

  private mutating func add(
    _ names: [String],
    _ shape: Shape,
    _ target: Target,
    _ shapes: [String: Shape]
  ) {
    mismatch.known += names
    unused.subtract(names)
    guard let source = names.first(where: { shapes[$0] != nil }), let found = shapes[source] else {
      mismatch.missing.append(names[0])
      return
    }
    guard found == shape else {
      mismatch.shapes.append(.init(name: source, expected: shape, found: found))
      return
    }
    steps.append(Step(source: source, target: target))
  }

  /// The names on one side only; throws what may not differ.
  func checked(strict: Bool) throws(ModuleError) -> StateReport {
    guard strict ? mismatch.isEmpty : mismatch.shapes.isEmpty else {
      throw .stateMismatch(mismatch)
    }
    return StateReport(missing: mismatch.missing, unexpected: mismatch.unexpected)
  }
}
