import Tensor

/// Parameters that an optimizer treats alike.
///
///     let optimizer = AdamW(
///       [
///         ParameterGroup(model.body),
///         ParameterGroup(model.head, learningRateScale: 10, weightDecay: 0),
///       ],
///       learningRate: 1e-4
///     )
public struct ParameterGroup {
  /// What the learning rate is multiplied by for these parameters.
  public var learningRateScale: Float
  /// The weight decay of these parameters; nil for the optimizer's.
  public var weightDecay: Float?
  /// The parameters in order.
  public var parameters: [Parameter] { entries.map(\.parameter) }

  struct Entry {
    /// The name in a state; nil for the index among all parameters of the optimizer.
    let name: String?
    let parameter: Parameter
  }
  let entries: [Entry]

  /// A group of parameters that a state names by their index among all of the optimizer.
  ///
  /// - Parameters:
  ///   - parameters: what an optimizer changes.
  ///   - learningRateScale: what the learning rate is multiplied by, 0 or more.
  ///   - weightDecay: 0 or more; nil for the optimizer's.
  public init(
    _ parameters: [Parameter],
    learningRateScale: Float = 1,
    weightDecay: Float? = nil
  ) {
    let entries = parameters.map { Entry(name: nil, parameter: $0) }
    self.init(entries, learningRateScale, weightDecay)
  }

  /// A group of parameters that a state names as the module does.
  ///
  /// - Parameters:
  ///   - parameters: some of a module's `namedParameters()`.
  ///   - learningRateScale: what the learning rate is multiplied by, 0 or more.
  ///   - weightDecay: 0 or more; nil for the optimizer's.
  public init(
    _ parameters: [NamedParameter],
    learningRateScale: Float = 1,
    weightDecay: Float? = nil
  ) {
    let entries = parameters.map { Entry(name: $0.name, parameter: $0.parameter) }
    self.init(entries, learningRateScale, weightDecay)
  }

  /// A group of all parameters of a module, under the module's names.
  ///
  /// - Parameters:
  ///   - module: what holds the parameters.
  ///   - learningRateScale: what the learning rate is multiplied by, 0 or more.
  ///   - weightDecay: 0 or more; nil for the optimizer's.
  public init(
    _ module: any Module,
    learningRateScale: Float = 1,
    weightDecay: Float? = nil
  ) {
    self.init(
      module.namedParameters(),
      learningRateScale: learningRateScale,
      weightDecay: weightDecay
    )
  }

  private init(_ entries: [Entry], _ learningRateScale: Float, _ weightDecay: Float?) {
    self.entries = entries
    self.learningRateScale = learningRateScale
    self.weightDecay = weightDecay
  }
}

extension [ParameterGroup] {
  /// The usual two groups: matrices decay; biases, the scales of norms and other vectors do not.
  ///
  /// A parameter of two or more dimensions counts as a matrix, embeddings and the weights of
  /// convolutions included.
  ///
  ///     let optimizer = AdamW(.decayingMatrices(of: model), learningRate: 3e-4)
  ///
  /// - Parameters:
  ///   - module: what holds the parameters.
  ///   - weightDecay: the decay of the matrices; nil for the optimizer's.
  /// - Returns: the group that decays, then the one that does not.
  /// - Source: the code of nanoGPT, `configure_optimizers`.
  public static func decayingMatrices(
    of module: any Module,
    weightDecay: Float? = nil
  ) -> [ParameterGroup] {
    let parameters = module.namedParameters()
    return [
      ParameterGroup(parameters.filter { $0.parameter.shape.rank > 1 }, weightDecay: weightDecay),
      ParameterGroup(parameters.filter { $0.parameter.shape.rank < 2 }, weightDecay: 0),
    ]
  }
}
