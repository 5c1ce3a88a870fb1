import Tensor

extension FederatedSimulation {
  /// What the configuration wants to know of the new model.
  func measure() throws(SimulationError) -> RoundMeasures {
    let measuring = configuration.measuring
    var measures = RoundMeasures()
    for client in engine.participants {
      measures.participation[fleet.classes[client].rawValue, default: 0] += 1
    }
    if let ineligible {
      measures.warnings = [
        "\(ineligible.count) devices cannot take part; the first: \(ineligible.reason)"
      ]
    }
    let whole = LocalModel(whole: engine.model)
    if isDue(measuring.testInterval) {
      measures.evaluation = try evaluate(whole, examples: task.testCount, of: .test).total
      if isLast, measuring.measuresSlices { measures.slices = try slices() }
    }
    if isDue(measuring.clientInterval) {
      let found = try evaluate(whole, examples: task.trainingCount, of: .training)
      measures.clients = ClientAccuracy(accuracies(found.correct))
    }
    return measures
  }

  private var isLast: Bool { engine.state.round + 1 == configuration.roundCount }

  private func isDue(_ interval: Int) -> Bool {
    interval > 0 && (isLast || (engine.state.round + 1) % interval == 0)
  }

  /// Each device's accuracy on its own examples.
  private func accuracies(_ correct: [Int32]) -> [Double] {
    fleet.examples.compactMap { examples in
      guard !examples.isEmpty else { return nil }
      let sum = examples.reduce(0) { $0 + Int(correct[Int($1)]) }
      return Double(sum) / Double(examples.count * task.predictionsPerExample)
    }
  }

  /// The models of all planned widths and bits, by `1/2`, `2 bits` or both.
  ///
  /// Of every pattern of slices the first channels are measured.
  private func slices() throws(SimulationError) -> [String: Evaluation] {
    let plans: [DevicePlan]
    switch configuration.planning {
    case .fixed(let list), .resampled(let list): plans = list
    case .planned: plans = Rate.levels.map { DevicePlan.slice($0) }
    }
    var forms = Set(plans.map(Self.form))
    if forms == [.full] { return [:] }
    forms.insert(.full)
    var result: [String: Evaluation] = [:]
    for form in forms {
      let local: LocalModel
      do { local = try engine.compression.compress(engine.model, plan: form, seed: 0) } catch {
        throw .round(.incompatiblePlan(client: -1, reason: "\(error)"))
      }
      let width = "\(form.width?.rate ?? .one)"
      let bits = form.lowBit.map { "\($0.bits) bits" }
      let name =
        form.width == nil ? bits ?? width : [width, bits].compactMap { $0 }.joined(separator: ", ")
      result[name] = try evaluate(local, examples: task.testCount, of: .test).total
    }
    return result
  }

  /// What of a plan changes the model that is used, not only the one that is trained.
  private static func form(of plan: DevicePlan) -> DevicePlan {
    let width = plan.width.flatMap { $0.rate == .one ? nil : WidthPlan($0.rate) }
    let isRounded = plan.lowBit?.training == .fakeQuantized
    return DevicePlan(width: width, lowBit: isRounded ? plan.lowBit : nil)
  }

  /// The predictions of a model for the first examples of a part, and those that are right by example.
  private func evaluate(
    _ model: LocalModel,
    examples count: Int,
    of part: ExamplePart
  ) throws(SimulationError) -> (total: Evaluation, correct: [Int32]) {
    let size = LocalTrainer.evaluationBatch(of: task)
    let query = (0..<Int32(min(Self.queryLimit, task.trainingCount))).map { $0 }
    let norms =
      try pool.map(1) { trainer, _ in
        Result { () throws(LocalTrainingError) in
          try trainer.normStatistics(of: model, over: query)
        }
      }.first.map(unwrapped) ?? []
    let parts = pool.map((count + size - 1) / size) { trainer, index in
      let range = Int32(index * size)..<Int32(min((index + 1) * size, count))
      return Result { () throws(LocalTrainingError) -> (Evaluation, [Int32]) in
        var correct: [Int32] = []
        let total = try trainer.evaluate(model, examples: Array(range), of: part, norms: norms) {
          _,
          found,
          _ in correct.append(Int32(found))
        }
        return (total, correct)
      }
    }
    var (total, correct) = (Evaluation(), [Int32]())
    for part in parts {
      let (evaluation, found) = try unwrapped(part)
      total.add(evaluation)
      correct += found
    }
    return (total, correct)
  }

  /// So many training examples tell static batch norms their statistics.
  private static var queryLimit: Int { 5000 }

  private func unwrapped<Value>(
    _ result: Result<Value, LocalTrainingError>
  ) throws(SimulationError) -> Value {
    do throws(LocalTrainingError) { return try result.get() } catch {
      throw .training(client: -1, error)
    }
  }
}
