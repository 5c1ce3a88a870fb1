public import Autograd
public import Tensor

/// Which examples are meant.
public enum ExamplePart: String, Codable, Hashable, Sendable {
  /// Those that devices hold.
  case training
  /// Those that the server measures with.
  case test
}

/// What a network makes of some examples.
public struct NetworkOutput {
  /// A row for each prediction, [rows × classes].
  public var logits: Variable
  /// The class of each row, [rows].
  public var targets: Tensor<Int32>

  /// Logits and what they should say.
  public init(logits: Variable, targets: Tensor<Int32>) {
    self.logits = logits
    self.targets = targets
  }
}

/// A network that devices train: any module that turns numbered examples into logits.
public protocol FederatedNetwork: Module {
  /// The logits of examples, and their classes.
  ///
  /// - Parameters:
  ///   - examples: numbers of examples.
  ///   - part: of which part.
  ///   - scale: what the activations of hidden layers are multiplied by before a norm; 1 in use.
  func callAsFunction(_ examples: [Int32], of part: ExamplePart, scale: Float) -> NetworkOutput
}

/// What a federation learns: the data, the global model, and networks of any width.
///
/// A task holds its data in tensors, so that it can be handed to every thread. Networks are made on
/// the thread that trains them, from the shapes of a local model alone.
public protocol FederatedTask: Sendable {
  /// The name, for reports.
  var name: String { get }
  /// The global model: layers, names and shapes.
  var model: ModelDescription { get }
  /// The number of examples that devices share.
  var trainingCount: Int { get }
  /// The number of examples that the server measures with.
  var testCount: Int { get }
  /// The class of each training example, for partitions by label.
  var labels: [Int32] { get }
  /// The number of classes that the head tells apart.
  var classCount: Int { get }
  /// Predictions by example: 1 for images, positions for language.
  var predictionsPerExample: Int { get }

  /// The global model at the start.
  func initialParameters(seed: UInt64) -> ParameterSet

  /// A network for parameters of the given shapes.
  ///
  /// - Throws: `FederatedTaskError.shapes` where they make no network of this task.
  func makeNetwork(
    shapes: [String: Shape]
  ) throws(FederatedTaskError) -> any FederatedNetwork

  /// For each class of the head, whether some of the examples have it.
  func presentClasses(_ examples: [Int32]) -> [Bool]
}

extension FederatedTask {
  /// One prediction for each example.
  public var predictionsPerExample: Int { 1 }

  /// The classes of the examples' labels.
  public func presentClasses(_ examples: [Int32]) -> [Bool] {
    var present = [Bool](repeating: false, count: classCount)
    for example in examples { present[Int(labels[Int(example)])] = true }
    return present
  }
}

/// Why a task cannot be set up.
public enum FederatedTaskError: Error, Equatable, CustomStringConvertible {
  /// A file that cannot be read or is not what it should be.
  case data(path: String, reason: String)
  /// Shapes that make no network of the task.
  case shapes(String)
  /// Settings that make no sense.
  case settings(String)

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .data(let path, let reason): "federated data: \(path): \(reason)"
    case .shapes(let reason): "federated network: \(reason)"
    case .settings(let reason): "federated task: \(reason)"
    }
  }
}
