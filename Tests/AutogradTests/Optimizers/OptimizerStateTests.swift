import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

@Suite struct OptimizerStateTests {
  /// Written to a file in the middle and taken over by another optimizer: the same bits at the end.
  @Test(arguments: OptimizerSample.allCases)
  func aSavedOptimizerGoesOnWithTheSameBits(sample: OptimizerSample) throws {
    let (model, twin) = (Perceptron(width: 5), Perceptron(width: 5))
    var generator = Philox(seed: 8)
    let optimizer = sample.make(.decayingMatrices(of: model))
    func advance() {
      drawGradients(model.parameters(), &generator)
      // One that is never trained: the state has nothing of it.
      model.output.bias?.gradient = nil
      optimizer.step()
    }
    for _ in 0..<5 { advance() }
    let resumed = sample.make(.decayingMatrices(of: twin))
    try withTemporaryFolder { folder in
      try SafetensorsFile.write(optimizer.state(), to: folder + "/optimizer.safetensors")
      let file = try SafetensorsFile(path: folder + "/optimizer.safetensors")
      var state: [String: Tensor<Float>] = [:]
      for name in file.names { state[name] = try file.tensor(named: name, as: Float.self) }
      try twin.load(model.state())
      try resumed.load(state)
    }
    for _ in 0..<5 {
      advance()
      for (one, other) in zip(model.parameters(), twin.parameters()) {
        other.gradient = one.gradient
      }
      resumed.step()
    }
    #expect(model.state().mapValues(bits) == twin.state().mapValues(bits))
    #expect(optimizer.state().mapValues(bits) == resumed.state().mapValues(bits))
  }

  @Test func namesAreTheModulesOrTheIndex() {
    let model = Perceptron(width: 2)
    let extra = Parameter(Tensor([1]))
    let groups: [ParameterGroup] = .decayingMatrices(of: model) + [ParameterGroup([extra])]
    let optimizer = AdamW(groups)
    #expect(optimizer.state().isEmpty)
    for parameter in model.parameters() + [extra] { parameter.gradient = parameter.value }
    optimizer.step()
    let names = ["hidden.weight", "output.weight", "hidden.bias", "output.bias", "4"]
    let expected = names.flatMap { name in
      ["firstMoment", "secondMoment", "steps"].map { "\(name).\($0)" }
    }
    #expect(Set(optimizer.state().keys) == Set(expected))
    #expect(optimizer.state()["4.steps"]?.elements == [1, 0])
  }

  @Test(arguments: [0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, 1 << 40, (1 << 48) - 1])
  func stepCountsAreExact(count: Int) {
    var steps = StepCount()
    steps.value = count
    #expect(StepCount(steps.tensor) == steps)
  }

  /// A trained optimizer of one parameter, its state, and what becomes of a changed one.
  private func error(
    of sample: OptimizerSample = .adamW,
    _ change: (inout [String: Tensor<Float>]) -> Void
  ) throws -> OptimizerStateError? {
    let parameter = Parameter(Tensor([1, 2]))
    let optimizer = sample.make([ParameterGroup([parameter])])
    parameter.gradient = Tensor([1, 1])
    optimizer.step()
    let before = optimizer.state()
    var state = before
    change(&state)
    do {
      try optimizer.load(state)
      return nil
    } catch {
      #expect(optimizer.state() == before, "a state that does not fit changes nothing")
      return try #require(error as? OptimizerStateError)
    }
  }

  @Test func aWrongStateSaysWhatDoesNotFit() throws {
    let known = ["0.firstMoment", "0.secondMoment", "0.steps"]
    #expect(
      try error { $0["0.secondMoment"] = Tensor([1, 2, 3]) }
        == .shapeMismatch(name: "0.secondMoment", expected: [2], found: [3])
    )
    #expect(
      try error { $0["0.firstMoment"] = nil }
        == .missingTensor(name: "0.firstMoment", found: ["0.secondMoment", "0.steps"])
    )
    #expect(
      try error { $0["1.steps"] = Tensor([1, 0]) }
        == .unexpectedTensor(name: "1.steps", known: known)
    )
    #expect(
      try error(of: .momentum) { $0 = ["0.firstMoment": Tensor([1, 2])] }
        == .unexpectedTensor(name: "0.firstMoment", known: ["0.velocity"])
    )
    for elements: [Float] in [[1], [-1, 0], [0.5, 0], [1, 0, 0], [16_777_216, 0]] {
      #expect(
        try error { $0["0.steps"] = Tensor(elements) }
          == .invalidStepCount(name: "0.steps", found: elements)
      )
    }
    #expect(try error { $0["0.steps"] = Tensor([.nan, 0]) } != nil)
    #expect(try error { _ in } == nil)
  }

  @Test func errorsNameTheTensor() {
    let error = OptimizerStateError.shapeMismatch(name: "a.velocity", expected: [2], found: [3, 1])
    #expect("\(error)" == "optimizer state: \"a.velocity\" is [3×1], expected [2]")
  }

  /// An empty state is that of an optimizer before its first step.
  @Test func anEmptyStateBeginsAnew() throws {
    let parameter = Parameter(Tensor([1]))
    let optimizer = AdamW([ParameterGroup([parameter])])
    parameter.gradient = Tensor([1])
    optimizer.step()
    try optimizer.load([:])
    #expect(optimizer.state().isEmpty)
  }
}
