public import Tensor

/// What a training run needs of an optimizer: steps, a rate to schedule, and a state to save.
public protocol TrainingOptimizer: AnyObject {
  /// The learning rate of the next step.
  var learningRate: Float { get set }

  /// Changes the parameters by their gradients.
  func step()

  /// Everything that later steps depend on, by name, but for the learning rate.
  func state() -> [String: Tensor<Float>]

  /// Takes over a state.
  ///
  /// - Throws: An error that says what does not fit.
  func load(_ state: [String: Tensor<Float>]) throws
}
