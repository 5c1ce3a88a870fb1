import Tensor

/// What an optimizer keeps of one parameter.
struct OptimizedParameter {
  /// The name in a state.
  let name: String
  let parameter: Parameter
  let learningRateScale: Float
  /// Nil for the optimizer's.
  let weightDecay: Float?
  /// The steps that changed the parameter.
  var steps = StepCount()
  /// Tensors of the parameter's shape; none before the first step.
  var moments: [Tensor<Float>] = []
}

/// The parameters of an optimizer, their moments and step counts, and how a state names them.
struct OptimizedParameters {
  /// The numbers of the step of one parameter.
  struct Turn {
    /// The steps of this parameter, this one included.
    let step: Int
    /// The learning rate, scaled.
    let rate: Double
    let weightDecay: Double
  }

  typealias Update = (
    _ turn: Turn,
    _ value: inout Tensor<Float>,
    _ gradient: Tensor<Float>,
    _ moments: UnsafeMutableBufferPointer<Tensor<Float>>
  ) -> Void

  private(set) var entries: [OptimizedParameter] = []
  /// The last parts of the names of moments in a state.
  private let momentNames: [String]
  /// Whether steps depend on how many there were.
  private let countsSteps: Bool

  init(_ groups: [ParameterGroup], moments: [String], countsSteps: Bool = false) {
    momentNames = moments
    self.countsSteps = countsSteps
    for group in groups {
      expect(
        group.learningRateScale >= 0 && group.learningRateScale.isFinite,
        "optimizer: a group's scale of the learning rate is \(group.learningRateScale)"
      )
      expectDecay(group.weightDecay ?? 0)
      for entry in group.entries {
        entries.append(
          OptimizedParameter(
            name: entry.name ?? "\(entries.count)",
            parameter: entry.parameter,
            learningRateScale: group.learningRateScale,
            weightDecay: group.weightDecay
          )
        )
      }
    }
    expectDistinct()
  }

  private func expectDistinct() {
    var names: Set<String> = []
    var parameters: Set<ObjectIdentifier> = []
    for entry in entries {
      expect(
        parameters.insert(ObjectIdentifier(entry.parameter)).inserted,
        "optimizer: a parameter is listed twice, \(entry.name)"
      )
      expect(
        names.insert(entry.name).inserted,
        "optimizer: two parameters are called \(entry.name)"
      )
    }
  }

  /// Calls `update` for each trainable parameter with a gradient; its moments begin as zeros.
  mutating func step(learningRate: Float, weightDecay: Float, _ update: Update) {
    for index in entries.indices {
      entries[index].step(momentNames.count, learningRate, weightDecay, update)
    }
  }
}

extension OptimizedParameter {
  fileprivate mutating func step(
    _ momentCount: Int,
    _ learningRate: Float,
    _ weightDecay: Float,
    _ update: OptimizedParameters.Update
  ) {
    guard parameter.isTrainable, parameter.gradient != nil else { return }
    steps.value += 1
    if moments.isEmpty {
      moments = (0..<momentCount).map { _ in Tensor.zeros(parameter.shape) }
    }
    let turn = OptimizedParameters.Turn(
      step: steps.value,
      rate: Double(learningRate) * Double(learningRateScale),
      weightDecay: Double(self.weightDecay ?? weightDecay)
    )
    moments.withUnsafeMutableBufferPointer { moments in
      parameter.update { value, gradient in
        if let gradient { update(turn, &value, gradient, moments) }
      }
    }
  }
}

// MARK: - States

extension OptimizedParameters {
  private static let stepsName = "steps"

  /// The moments and step counts of all parameters that were changed so far: `NAME.MOMENT`.
  func state() -> [String: Tensor<Float>] {
    var state: [String: Tensor<Float>] = [:]
    for entry in entries where !entry.moments.isEmpty {
      for (name, moment) in zip(momentNames, entry.moments) {
        state["\(entry.name).\(name)"] = moment
      }
      if countsSteps { state["\(entry.name).\(Self.stepsName)"] = entry.steps.tensor }
    }
    return state
  }

  /// Takes over a state, all or none.
  mutating func load(_ state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    try checkNames(of: state)
    var loaded = entries
    for index in loaded.indices { try load(state, into: &loaded[index]) }
    entries = loaded
  }

  /// The names of a parameter's tensors in a state.
  private func names(of entry: OptimizedParameter) -> [String] {
    (momentNames + (countsSteps ? [Self.stepsName] : [])).map { "\(entry.name).\($0)" }
  }

  private func checkNames(of state: [String: Tensor<Float>]) throws(OptimizerStateError) {
    let known = entries.flatMap(names)
    let unexpected = Set(state.keys).subtracting(known)
    if let name = unexpected.min() { throw .unexpectedTensor(name: name, known: known) }
  }

  private func load(
    _ state: [String: Tensor<Float>],
    into entry: inout OptimizedParameter
  ) throws(OptimizerStateError) {
    let names = names(of: entry)
    let found = names.filter { state[$0] != nil }
    entry.moments = []
    entry.steps = StepCount()
    guard !found.isEmpty else { return }
    for (index, name) in names.enumerated() {
      guard let tensor = state[name] else { throw .missingTensor(name: name, found: found) }
      if index == momentNames.count {
        guard let steps = StepCount(tensor) else {
          throw .invalidStepCount(name: name, found: tensor.elements)
        }
        entry.steps = steps
      } else {
        let expected = entry.parameter.shape
        guard tensor.shape == expected else {
          throw .shapeMismatch(name: name, expected: expected, found: tensor.shape)
        }
        entry.moments.append(tensor)
      }
    }
  }
}

// MARK: - Arguments

/// Stops unless a learning rate is one.
func expectRate(_ rate: Float) {
  expect(rate >= 0 && rate.isFinite, "optimizer: the learning rate is \(rate), 0 or more is needed")
}

/// Stops unless a weight decay is one.
func expectDecay(_ decay: Float) {
  expect(
    decay >= 0 && decay.isFinite,
    "optimizer: the weight decay is \(decay), 0 or more is needed"
  )
}

/// Stops unless factors of moving averages are in 0 ..< 1.
func expectFactors(_ factors: Double...) {
  expect(
    factors.allSatisfy { (0..<1).contains($0) },
    "optimizer: the factors of moving averages are \(factors), 0 ..< 1 is needed"
  )
}
