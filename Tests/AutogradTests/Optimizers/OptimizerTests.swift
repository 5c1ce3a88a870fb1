import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct OptimizerTests {
  @Test(arguments: OptimizerSample.allCases)
  func onlyTrainableParametersWithAGradientChange(sample: OptimizerSample) {
    let (changed, without, frozen) = (
      Parameter(Tensor([1, 2])), Parameter(Tensor([3, 4])), Parameter(Tensor([5, 6]))
    )
    let optimizer = sample.make([ParameterGroup([changed, without, frozen])])
    changed.gradient = Tensor([1, -1])
    frozen.gradient = Tensor([1, -1])
    frozen.isTrainable = false
    for _ in 0..<3 { optimizer.step() }
    #expect(changed.value.elements[0] != 1 && changed.value.elements[1] != 2)
    #expect(without.value.elements == [3, 4] && frozen.value.elements == [5, 6])
    #expect(optimizer.state().keys.allSatisfy { $0.hasPrefix("0.") })
    #expect(changed.gradient?.elements == [1, -1])
  }

  /// The count of steps is the parameter's own: the first step of one that joins late is a first one.
  @Test(arguments: OptimizerSample.allCases)
  func aParameterThatJoinsLateBeginsAtTheBeginning(sample: OptimizerSample) {
    let (early, late) = (Parameter(Tensor([1])), Parameter(Tensor([1])))
    let optimizer = sample.make([ParameterGroup([early, late])])
    early.gradient = Tensor([0.5])
    optimizer.step()
    let first = early.value
    for _ in 0..<4 { optimizer.step() }
    late.gradient = Tensor([0.5])
    optimizer.step()
    #expect(bits(late.value) == bits(first))
  }

  /// Values and moments stay where they are: no step allocates anything of their size.
  @Test(arguments: OptimizerSample.allCases)
  func stepsAreInPlace(sample: OptimizerSample) {
    let parameter = Parameter(Tensor.zeros([300, 7]))
    let optimizer = sample.make([ParameterGroup([parameter])])
    func addresses() -> [String: UnsafePointer<Float>?] {
      var tensors = optimizer.state().filter { $0.value.count > 2 }
      tensors["value"] = parameter.value
      tensors["gradient"] = parameter.gradient
      return tensors.mapValues { $0.withUnsafeElements(\.baseAddress) }
    }
    parameter.gradient = .ones([300, 7])
    optimizer.step()
    let before = addresses()
    for _ in 0..<3 { optimizer.step() }
    #expect(addresses() == before)
  }

  /// A copy of the value from before a step is not changed by it.
  @Test(arguments: OptimizerSample.allCases)
  func copiesKeepTheirElements(sample: OptimizerSample) {
    let parameter = Parameter(Tensor([1, 2]))
    let optimizer = sample.make([ParameterGroup([parameter])])
    parameter.gradient = Tensor([1, 1])
    optimizer.step()
    let (value, state) = (parameter.value, optimizer.state())
    let copies = (value.elements, state.mapValues(\.elements))
    optimizer.step()
    #expect(value.elements == copies.0 && state.mapValues(\.elements) == copies.1)
    #expect(parameter.value.elements != copies.0)
  }

  /// Two groups of one optimizer compute what two optimizers do.
  @Test(arguments: OptimizerSample.allCases)
  func groupsHaveTheirOwnRateAndDecay(sample: OptimizerSample) {
    var generator = Philox(seed: 3)
    let starts = (0..<2).map { _ in Tensor<Float>.normal([21], using: &generator) }
    let (together, apart) = (starts.map { Parameter($0) }, starts.map { Parameter($0) })
    let optimizer = sample.make([
      ParameterGroup([together[0]]),
      ParameterGroup([together[1]], learningRateScale: 0.25, weightDecay: 0.5),
    ])
    let separate = [
      sample.make([ParameterGroup([apart[0]])]),
      sample.make([ParameterGroup([apart[1]])], weightDecay: 0.5),
    ]
    separate[1].learningRate *= 0.25
    for _ in 0..<4 {
      drawGradients(together, &generator)
      for (one, other) in zip(together, apart) { other.gradient = one.gradient }
      optimizer.step()
      for optimizer in separate { optimizer.step() }
    }
    #expect(together.map { bits($0.value) } == apart.map { bits($0.value) })
  }

  @Test func theUsualGroupsDecayMatricesAlone() throws {
    let model = Perceptron(width: 4)
    let groups: [ParameterGroup] = .decayingMatrices(of: model, weightDecay: 0.3)
    #expect(groups.map { $0.parameters.map(\.shape) } == [[[4, 2], [2, 4]], [[4], [2]]])
    #expect(groups.map(\.weightDecay) == [0.3, 0])
    let optimizer = AdamW(.decayingMatrices(of: model), learningRate: 0.5, weightDecay: 0.1)
    let before = model.state()
    for parameter in model.parameters() { parameter.gradient = .zeros(parameter.shape) }
    optimizer.step()
    let after = model.state()
    #expect(after["hidden.bias"] == before["hidden.bias"])
    // Without a gradient, decay alone: 1 − 0.5 · 0.1.
    for name in ["hidden.weight", "output.weight"] {
      let expected = try #require(before[name]) * 0.95
      expectClose(try #require(after[name]), expected, relative: 1e-6, name)
    }
  }

  /// Hand-computed: with momentum 0.5, velocities 1 and 1.5, and looking ahead 1.5 and 1.75.
  @Test func momentumAddsUp() {
    for (momentum, expected): (SGD.Momentum, [Float]) in [
      (.none, [-1, -2]), (.heavyBall(0.5), [-1, -2.5]), (.nesterov(0.5), [-1.5, -3.25]),
    ] {
      let parameter = Parameter(Tensor([0]))
      let optimizer = SGD([ParameterGroup([parameter])], learningRate: 1, momentum: momentum)
      parameter.gradient = Tensor([1])
      let found = (0..<2).map { _ -> Float in
        optimizer.step()
        return parameter.value.elements[0]
      }
      #expect(found == expected)
    }
  }

  /// Adam's first step is the learning rate, whatever the gradient's size.
  @Test(arguments: [1e-3, 1, 1e6] as [Float])
  func adamsFirstStepIsTheLearningRate(size: Float) {
    let parameter = Parameter(Tensor([0, 0]))
    let optimizer = Adam([ParameterGroup([parameter])], learningRate: 0.25)
    parameter.gradient = Tensor([size, -size])
    optimizer.step()
    expectClose(parameter.value, Tensor([-0.25, 0.25]), relative: 2e-5)
  }

  @Test(arguments: OptimizerSample.allCases)
  func notANumberIsNotHidden(sample: OptimizerSample) {
    let parameter = Parameter(Tensor.ones([19]))
    let optimizer = sample.make([ParameterGroup([parameter])])
    var elements = [Float](repeating: 1, count: 19)
    (elements[3], elements[18]) = (.nan, .nan)
    parameter.gradient = Tensor(elements)
    optimizer.step()
    let broken = parameter.value.elements.indices.filter { parameter.value.elements[$0].isNaN }
    #expect(broken == [3, 18])
  }

  @Test func emptyParametersAreFine() {
    for sample in OptimizerSample.allCases {
      let parameter = Parameter(Tensor.zeros([0, 3]))
      let optimizer = sample.make([ParameterGroup([parameter]), ParameterGroup([Parameter]())])
      parameter.gradient = .zeros([0, 3])
      optimizer.step()
      #expect(parameter.value.count == 0)
    }
  }

  @Test func aParameterListedTwiceIsRejected() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let parameter = Parameter(Tensor([1]))
        _ = SGD([ParameterGroup([parameter]), ParameterGroup([parameter])])
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("optimizer: a parameter is listed twice, 1"))
  }

  @Test func argumentsOutOfRangeAreRejected() async {
    await #expect(processExitsWith: .failure) { _ = Adam([], betas: (0.9, 1)) }
    await #expect(processExitsWith: .failure) { _ = AdamW([], epsilon: 0) }
    await #expect(processExitsWith: .failure) { _ = AdamW([], weightDecay: -1) }
    await #expect(processExitsWith: .failure) { _ = Lion([], learningRate: .nan) }
    await #expect(processExitsWith: .failure) { _ = SGD([], momentum: .heavyBall(1)) }
  }
}
