import Autograd
import Tensor
import TestSupport
import Testing

/// The optimizers, each with settings under which all of its terms count.
enum OptimizerSample: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case plain, momentum, nesterov, adam, adamW, lion

  var testDescription: String { rawValue }

  func make(_ groups: [ParameterGroup], weightDecay: Float = 0.1) -> any TrainingOptimizer {
    switch self {
    case .plain: SGD(groups, learningRate: 0.1, weightDecay: weightDecay)
    case .momentum:
      SGD(groups, learningRate: 0.1, momentum: .heavyBall(0.9), weightDecay: weightDecay)
    case .nesterov:
      SGD(groups, learningRate: 0.1, momentum: .nesterov(0.9), weightDecay: weightDecay)
    case .adam: Adam(groups, learningRate: 0.1, weightDecay: weightDecay)
    case .adamW: AdamW(groups, learningRate: 0.1, weightDecay: weightDecay)
    case .lion: Lion(groups, learningRate: 0.1, weightDecay: weightDecay)
    }
  }
}

/// Gives each parameter of a module a random gradient.
func drawGradients(_ parameters: [Parameter], _ generator: inout Philox) {
  for parameter in parameters {
    parameter.gradient = .normal(parameter.shape, using: &generator)
  }
}

func bits(_ tensor: Tensor<Float>) -> [UInt32] { tensor.elements.map(\.bitPattern) }
