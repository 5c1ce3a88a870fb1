public import Tensor

/// What one device trains in one round.
public struct LocalJob: Sendable {
  /// Which examples each batch has.
  public enum Batches: Sendable, Hashable {
    /// A new order in each epoch, drawn from a generator.
    case shuffled(Philox)
    /// The examples in their order, in each epoch.
    case inOrder
  }

  /// The model that the device received.
  public var model: LocalModel
  /// Its examples.
  public var examples: [Int32]
  /// How it trains.
  public var settings: LocalTrainingSettings
  /// The order of the examples, and the draws of ordered dropout.
  public var batches: Batches
  /// The width of the model relative to the global one.
  public var rate: Rate
  /// Training ends after so many steps: the time box; nil for none.
  public var stepLimit: Int?

  /// A job.
  public init(
    model: LocalModel,
    examples: [Int32],
    settings: LocalTrainingSettings = LocalTrainingSettings(),
    batches: Batches,
    stepLimit: Int? = nil
  ) {
    self.model = model
    self.examples = examples
    self.settings = settings
    self.batches = batches
    rate = model.plan.width?.rate ?? .one
    self.stepLimit = stepLimit
  }
}

/// Why a device could not train.
public enum LocalTrainingError: Error, Equatable, CustomStringConvertible {
  /// The settings are out of range.
  case settings(String)
  /// The model makes no network of the task.
  case model(FederatedTaskError)
  /// The parameters do not fit the network.
  case parameters(FederatedError)
  /// An example that the task does not have.
  case example(Int, count: Int)

  /// What is wrong.
  public var description: String {
    switch self {
    case .settings(let fault): "local training: \(fault)"
    case .model(let error): "local training: \(error)"
    case .parameters(let error): "local training: \(error)"
    case .example(let number, let count): "local training: example \(number) of \(count)"
    }
  }
}
