public import Quantization
public import Tensor

/// How a device holds one parameter of the model that is not a plain tensor of its own name.
public enum LocalForm: Sendable {
  /// A plain tensor that every pass rounds to `bits` bits by `fakeQuantized(_:bits:)`.
  case fakeQuantized(bits: Int)
  /// Frozen codes whose step sizes [O × 1] are trained, under the parameter's name + `.scales`.
  case scales(QuantizedMatrix)
  /// Frozen codes W and an adapter that is added, W + up · down: name + `.up` [O × ρ] and name +
  /// `.down` [ρ × I] are trained.
  case adapter(QuantizedMatrix, rank: Int)
  /// A product in the weight's place: name + `.left` [O × r] and name + `.right` [r × I].
  case factors(rank: Int)

  /// The names of the tensors that stand for a parameter.
  func names(of parameter: String) -> [String] {
    switch self {
    case .fakeQuantized: [parameter]
    case .scales: [parameter + ".scales"]
    case .adapter: [parameter + ".up", parameter + ".down"]
    case .factors: [parameter + ".left", parameter + ".right"]
    }
  }
}

/// What a device gets: the compressed model, and what it must know to train it.
public struct LocalModel: Sendable {
  /// What is trained: the parameters in their local shapes, or what stands for them (`forms`).
  public var parameters: ParameterSet
  /// The plan that it was made by.
  public var plan: DevicePlan
  /// The slice that the device holds of each parameter; parameters that it lacks are not named.
  public var slices: CoverageSet
  /// Which entries of the global parameters an update covers: the slices, less what is masked.
  public var coverage: CoverageSet
  /// Which entries of a slice are trained, by parameter; the others are 0 and stay so.
  ///
  /// Parameters without a mask are trained completely.
  public var masks: [String: BitSet]
  /// The parameters that are held in another form, by their global names.
  public var forms: [String: LocalForm]
  /// The shapes of the global parameters, in order.
  public var globalShapes: [GlobalShape]

  /// The shape that a parameter has in the global model.
  public struct GlobalShape: Hashable, Sendable {
    /// The parameter.
    public let name: String
    /// Its shape.
    public let shape: Shape

    package init(name: String, shape: Shape) {
      (self.name, self.shape) = (name, shape)
    }
  }

  /// A local model.
  public init(
    parameters: ParameterSet,
    plan: DevicePlan,
    slices: CoverageSet,
    masks: [String: BitSet] = [:],
    forms: [String: LocalForm] = [:],
    globalShapes: [GlobalShape]
  ) {
    self.parameters = parameters
    self.plan = plan
    self.slices = slices
    self.coverage = slices
    self.masks = masks
    self.forms = forms
    self.globalShapes = globalShapes
    for (name, mask) in masks { cover(name, mask) }
  }

  /// Restricts the coverage of a parameter to a mask of its slice.
  package mutating func cover(_ name: String, _ mask: BitSet) {
    guard let slice = slices[name], let shape = globalShape(name) else { return }
    masks[name] = mask
    coverage[name] = slice.selecting(.bits(mask), in: shape)
  }

  /// The whole global model under a plan that cuts nothing.
  public init(whole global: ParameterSet, plan: DevicePlan = .full) {
    self.init(
      parameters: global,
      plan: plan,
      slices: .full(of: global),
      globalShapes: global.shapes.map { GlobalShape(name: $0.name, shape: $0.shape) }
    )
  }

  /// The global shape of a parameter; nil if there is none.
  public func globalShape(_ name: String) -> Shape? {
    globalShapes.first { $0.name == name }?.shape
  }

  /// How many numbers the device trains.
  public var trainedCount: Int {
    parameters.entries.reduce(0) { $0 + (masks[$1.name]?.setCount ?? $1.tensor.count) }
  }
}

/// What a device sends back: the change of its parameters, and what the server must know of it.
public struct ParameterUpdate: Sendable {
  /// u' − u: the names and shapes of `LocalModel.parameters`.
  public var delta: ParameterSet
  /// n_k, how many examples were trained on.
  public var exampleCount: Int
  /// τ_k, how many steps were made.
  public var stepCount: Int
  /// The mean loss of the training; nil if unknown.
  public var loss: Double?

  /// An update.
  public init(
    delta: ParameterSet,
    exampleCount: Int,
    stepCount: Int = 1,
    loss: Double? = nil
  ) {
    self.delta = delta
    self.exampleCount = exampleCount
    self.stepCount = stepCount
    self.loss = loss
  }

  /// Stops unless the update has the names and shapes of a local model's parameters, all finite.
  ///
  /// - Throws: `FederatedError` with the first tensor that does not fit.
  public func check(against local: LocalModel) throws(FederatedError) {
    try delta.checkLayout(like: local.parameters)
    if let name = delta.firstNotFinite { throw .notFinite(name: name) }
  }
}

/// An update in global coordinates.
///
/// The tensor of a parameter under a `.box` has the box's shape; every other one has the parameter's
/// shape, and is 0 outside a mask. So slices are summed without copies of full shape.
public struct LiftedUpdate: Sendable {
  /// D, without parameters that are not covered.
  public var delta: ParameterSet
  /// m: which entries D covers.
  public var coverage: CoverageSet

  /// An update.
  public init(delta: ParameterSet, coverage: CoverageSet) {
    self.delta = delta
    self.coverage = coverage
  }

  /// D in the shapes of the global parameters, zeros where nothing is covered.
  public func expanded(like global: ParameterSet) -> ParameterSet {
    ParameterSet(
      global.entries.map { entry in
        guard let part = delta[entry.name], let coverage = coverage[entry.name] else {
          return (entry.name, .zeros(entry.tensor.shape))
        }
        return (entry.name, coverage.expanded(part, to: entry.tensor.shape))
      }
    )
  }
}
