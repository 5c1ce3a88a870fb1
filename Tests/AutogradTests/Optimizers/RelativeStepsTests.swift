import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct RelativeStepsTests {
  private static let starts: [Float] = [0.02, -3, 0, 500]
  private static let gradients: [[Float]] = [
    [3, 0.2, 1, 0], [-1, 0.5, -2, 1], [2, -0.1, 0, -0.25],
  ]

  /// The ratios of a parameter of its own, whose loss has the same gradients.
  @Test(arguments: OptimizerSample.allCases)
  func stepsAreThoseOfTheRatios(sample: OptimizerSample) {
    let start = Tensor(Self.starts)
    let (parameter, ratio) = (Parameter(start), Parameter(Tensor<Float>.ones([4])))
    let relative = RelativeSteps(sample.make([ParameterGroup([parameter])]), of: [parameter])
    let plain = sample.make([ParameterGroup([ratio])])
    for gradient in Self.gradients {
      parameter.gradient = Tensor(gradient)
      ratio.gradient = Tensor(gradient) * start
      relative.step()
      plain.step()
      #expect(parameter.gradient?.elements == gradient)
    }
    let found = parameter.value / Tensor([0.02, -3, 1, 500])
    expectClose(found, ratio.value * Tensor([1, 1, 0, 1]), relative: 1e-5, absolute: 1e-5)
    #expect(parameter.value.elements[0] != Self.starts[0])
  }

  /// A multiple of the start and a fraction of the gradient change nothing but the unit.
  @Test func theUnitDoesNotMatter() {
    func last(_ unit: Float) -> [Float] {
      let parameter = Parameter(Tensor(Self.starts) * unit)
      let adam = AdamW([ParameterGroup([parameter])], learningRate: 0.01, epsilon: 1e-30)
      let relative = RelativeSteps(adam, of: [parameter])
      for gradient in Self.gradients {
        parameter.gradient = Tensor(gradient) / unit
        relative.step()
      }
      return (parameter.value / unit).elements
    }
    #expect(last(1) == last(1024))
  }

  /// A run that is taken up again begins with the same starts, and values from later.
  @Test func aStateGoesOn() throws {
    func make() -> (Parameter, RelativeSteps) {
      let parameter = Parameter(Tensor(Self.starts))
      let adam = AdamW([ParameterGroup([parameter])], learningRate: 0.01, weightDecay: 0)
      return (parameter, RelativeSteps(adam, of: [parameter]))
    }
    let ((first, whole), (second, resumed)) = (make(), make())
    for (index, gradient) in Self.gradients.enumerated() {
      first.gradient = Tensor(gradient)
      whole.step()
      guard index == 0 else { continue }
      second.value = first.value
      try resumed.load(whole.state())
    }
    for gradient in Self.gradients.dropFirst() {
      second.gradient = Tensor(gradient)
      resumed.step()
    }
    #expect(second.value.elements == first.value.elements)
  }
}
