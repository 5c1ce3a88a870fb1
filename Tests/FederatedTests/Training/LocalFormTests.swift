import Federated
import Tensor
import TestSupport
import Testing

@Suite struct LocalFormTests {
  static let plans: [DevicePlan] = [
    DevicePlan(rank: .fixed(2)),
    DevicePlan(lowBit: LowBitPlan(bits: 4, training: .scales)),
    DevicePlan(lowBit: LowBitPlan(bits: 4, training: .adapter(rank: 2))),
  ]

  /// The mean loss of a local model on all examples.
  private func loss(_ model: LocalModel, _ trainer: LocalTrainer, _ count: Int) throws -> Double {
    try trainer.evaluate(model, examples: allExamples(count), of: .test).loss
  }

  @Test(arguments: plans)
  func gradientsReachWhatIsTrained(plan: DevicePlan) throws {
    let task = VectorTask.random(count: 24, width: 9, hidden: [8])
    let start = task.initialParameters(seed: 4)
    let local = try ComposedCompression(task.model).compress(start, plan: plan, seed: 3)
    var settings = LocalTrainingSettings()
    settings.method = .gradient
    let trainer = LocalTrainer(task)
    let job = LocalJob(
      model: local,
      examples: allExamples(24),
      settings: settings,
      batches: .inOrder
    )
    let found = try trainer.train(job).delta
    // Central differences of the float32 loss: errors of about 1e-4 are its rounding.
    let step: Float = 1e-2
    for (name, tensor) in local.parameters.entries {
      for place in stride(from: 0, to: tensor.count, by: 3) {
        func shifted(_ by: Float) throws -> Double {
          var elements = tensor.elements
          elements[place] += by
          var moved = local
          moved.parameters[name] = Tensor(elements, shape: tensor.shape)
          return try loss(moved, trainer, 24)
        }
        let numeric = try (shifted(step) - shifted(-step)) / Double(2 * step)
        let value = Double(found[name]?.elements[place] ?? .nan)
        #expect(abs(value + numeric) < 2e-3, "\(name)[\(place)]: \(-value), \(numeric)")
      }
    }
  }

  @Test func roundedWeightsTrainTheirFloats() throws {
    let task = VectorTask.random(count: 24)
    let start = task.initialParameters(seed: 4)
    let plan = DevicePlan(lowBit: LowBitPlan(bits: 2))
    let local = try ComposedCompression(task.model).compress(start, plan: plan, seed: 3)
    var settings = LocalTrainingSettings()
    settings.batchSize = 24
    func step(_ model: LocalModel) throws -> ParameterSet {
      try LocalTrainer(task).train(
        LocalJob(
          model: model,
          examples: allExamples(24),
          settings: settings,
          batches: .inOrder
        )
      ).delta
    }
    // One step from w under Q is the step of a plain model at Q(w): straight through.
    var rounded = start
    for name in task.model.matrices {
      rounded[name] = fakeQuantized(try start.tensor(name), bits: 2)
    }
    expectClose(try step(local).flat, try step(LocalModel(whole: rounded)).flat, absolute: 1e-6)
  }

  @Test func maskedEntriesStayZero() throws {
    let task = VectorTask.random(count: 24, hidden: [8])
    let start = task.initialParameters(seed: 4)
    let plan = DevicePlan(mask: MaskPlan(density: Rate(1, of: 4)))
    let local = try ComposedCompression(task.model).compress(start, plan: plan, seed: 3)
    var settings = LocalTrainingSettings()
    settings.epochs = 3
    settings.momentum = 0.9
    let delta = try LocalTrainer(task).train(
      LocalJob(
        model: local,
        examples: allExamples(24),
        settings: settings,
        batches: .shuffled(Philox(seed: 1))
      )
    ).delta
    let mask = try #require(local.masks["layers.0.weight"])
    let moved = try delta.tensor("layers.0.weight").elements
    #expect(moved.indices.allSatisfy { mask[$0] || moved[$0] == 0 })
    #expect(moved.indices.count { moved[$0] != 0 } > mask.setCount / 2)
  }

  @Test func orderedSlicesTrainPrefixes() throws {
    let task = VectorTask.random(count: 12, hidden: [8])
    let start = task.initialParameters(seed: 4)
    let plan = DevicePlan(width: WidthPlan(.one, pattern: .ordered))
    var settings = LocalTrainingSettings()
    settings.batchSize = 12
    settings.levels = [Rate(1, of: 2)]
    let slicing = WidthSlicing(task.model)
    let half = try slicing.compress(start, plan: .slice(Rate(1, of: 2)), seed: 0)
    let trainer = LocalTrainer(task)
    let expected = try trainer.train(
      LocalJob(model: half, examples: allExamples(12), settings: settings, batches: .inOrder)
    ).delta
    var halves = 0
    for seed in 0..<10 as Range<UInt64> {
      let job = LocalJob(
        model: try slicing.compress(start, plan: plan, seed: 0),
        examples: allExamples(12),
        settings: settings,
        batches: .shuffled(Philox(seed: seed))
      )
      let delta = try trainer.train(job).delta
      let first = try delta.tensor("layers.0.weight")
      guard first[4..<8].elements.allSatisfy({ $0 == 0 }) else { continue }
      halves += 1
      expectClose(first[0..<4].elements, try expected.tensor("layers.0.weight").elements, absolute: 1e-6)
    }
    // Each of the two rates with probability 1/2: all or none of ten has probability 0.002.
    #expect((1...9).contains(halves))
  }

  @Test func distillationPullsThePrefixTowardsTheWhole() throws {
    let task = VectorTask.random(count: 12, hidden: [8])
    let start = task.initialParameters(seed: 4)
    let plan = DevicePlan(width: WidthPlan(.one, pattern: .ordered))
    let local = try WidthSlicing(task.model).compress(start, plan: plan, seed: 0)
    var settings = LocalTrainingSettings()
    settings.batchSize = 12
    settings.levels = [Rate(1, of: 2)]
    settings.epochs = 1
    settings.learningRate = 0.1
    settings.distillation = 1
    let slicing = WidthSlicing(task.model)
    let trainer = LocalTrainer(task)
    func agreement(_ parameters: ParameterSet) throws -> Double {
      // KL(whole before ‖ half now), from the logits of both.
      let wide = try logits(task, start, width: 8)
      let half = try slicing.compress(parameters, plan: .slice(Rate(1, of: 2)), seed: 0)
      let narrow = try logits(task, half.parameters, width: 4)
      let (p, q) = (wide.softmax().elements, narrow.softmax().elements)
      return zip(p, q).reduce(0) { $0 + Double($1.0) * Double(($1.0 / $1.1).logarithm) }
    }
    for seed in 0..<10 as Range<UInt64> {
      let job = LocalJob(
        model: local,
        examples: allExamples(12),
        settings: settings,
        batches: .shuffled(Philox(seed: seed))
      )
      let delta = try trainer.train(job).delta
      guard try delta.tensor("layers.0.weight")[4..<8].elements.allSatisfy({ $0 == 0 }) else {
        continue
      }
      #expect(try agreement(start.adding(delta)) < agreement(start))
      return
    }
    Issue.record("no prefix was drawn in ten rounds")
  }

  private func logits(
    _ task: VectorTask,
    _ parameters: ParameterSet,
    width: Int
  ) throws -> Tensor<Float> {
    let hidden = task.inputs.linear(
      weight: try parameters.tensor("layers.0.weight"),
      bias: try parameters.tensor("layers.0.bias")
    )
    let active = Tensor(hidden.elements.map { max($0, 0) }, shape: hidden.shape)
    return active.linear(
      weight: try parameters.tensor("layers.1.weight"),
      bias: try parameters.tensor("layers.1.bias")
    )
  }
}

extension Float {
  fileprivate var logarithm: Float { Float(Tensor<Float>([self]).log().elements[0]) }
}
