import Autograd
import Tensor

/// The training of one device: steps over batches, then the difference.
struct LocalRun {
  private let job: LocalJob
  private let network: LocalTrainer.CachedNetwork
  private let weights: LocalWeights
  /// 1 for classes that the device has, 0 for others; nil without masking.
  private let classMask: Variable?
  private let scale: Float
  private var velocities: [Tensor<Float>] = []
  private var generator: Philox?
  private var lossSum = 0.0
  private var lossCount = 0
  private var stepCount = 0
  /// What ordered dropout draws from; empty without.
  var prefixes: [PrefixNetwork] = []

  init(
    _ job: LocalJob,
    _ network: LocalTrainer.CachedNetwork,
    _ weights: LocalWeights,
    _ task: any FederatedTask
  ) {
    self.job = job
    self.network = network
    self.weights = weights
    let settings = job.settings
    classMask =
      settings.masksAbsentClasses
      ? Variable(Tensor(task.presentClasses(job.examples).map { $0 ? 1 : 0 })) : nil
    scale = settings.scalesActivations ? Float(1 / job.rate.value) : 1
    if settings.momentum > 0 { velocities = weights.trained.map { .zeros($0.shape) } }
    if case .shuffled(let generator) = job.batches { self.generator = generator }
  }

  private var settings: LocalTrainingSettings { job.settings }

  // MARK: - Descent

  /// E epochs of steps, and the change that they made.
  mutating func descend(_ shouldStop: (Int) -> Bool) -> ParameterUpdate {
    var isDone = job.examples.isEmpty || job.stepLimit == 0
    for epoch in 0..<settings.epochs where !isDone {
      let order = order(ofEpoch: epoch)
      var first = 0
      while first < order.count, !isDone {
        let next = min(first + settings.batchSize, order.count)
        step(Array(order[first..<next]))
        first = next
        isDone = job.stepLimit.map { stepCount >= $0 } ?? false || shouldStop(stepCount)
      }
    }
    var delta = ParameterSet()
    for (index, entry) in job.model.parameters.entries.enumerated() {
      delta[entry.name] = weights.trained[index].value - entry.tensor
    }
    return update(delta)
  }

  /// −g of the mean loss over all examples at the received weights.
  mutating func gradient() -> ParameterUpdate {
    weights.install()
    let total = job.examples.count
    for first in stride(from: 0, to: total, by: Self.gradientBatch) {
      let batch = Array(job.examples[first..<min(first + Self.gradientBatch, total)])
      let loss = loss(of: batch, network)
      loss.backward(from: Tensor(scalar: Float(batch.count) / Float(total)))
    }
    weights.pullBack()
    prepareGradients()
    var delta = ParameterSet()
    for (index, entry) in job.model.parameters.entries.enumerated() {
      let gradient = weights.trained[index].gradient ?? .zeros(entry.tensor.shape)
      delta[entry.name] = -gradient
      weights.trained[index].clearGradient()
    }
    stepCount = total > 0 ? 1 : 0
    return update(delta)
  }

  /// The examples whose activations are in memory at once in a full gradient.
  private static let gradientBatch = 256

  private func update(_ delta: ParameterSet) -> ParameterUpdate {
    ParameterUpdate(
      delta: delta,
      exampleCount: job.examples.count,
      stepCount: stepCount,
      loss: lossCount > 0 ? lossSum / Double(lossCount) : nil
    )
  }

  private func order(ofEpoch epoch: Int) -> [Int32] {
    guard let generator else { return job.examples }
    var drawn = generator.fork(epoch)
    let places = Tensor<Int32>.permutation(job.examples.count, using: &drawn)
    return places.withUnsafeElements { places in places.map { job.examples[Int($0)] } }
  }

  // MARK: - One step

  private mutating func step(_ batch: [Int32]) {
    weights.install()
    if prefixes.isEmpty {
      loss(of: batch, network).backward()
    } else {
      stepOverPrefix(batch)
    }
    weights.pullBack()
    prepareGradients()
    for (index, parameter) in weights.trained.enumerated() { descend(parameter, index) }
    stepCount += 1
  }

  /// The mean loss of a batch, on the tape; adds it to the sums.
  private mutating func loss(
    of batch: [Int32],
    _ network: LocalTrainer.CachedNetwork
  ) -> Variable {
    let output = network.module(batch, of: .training, scale: scale)
    let targets = output.targets
    let loss = crossEntropy(logits: masked(consume output), targets: targets)
    lossSum += Double(loss.item) * Double(batch.count)
    lossCount += batch.count
    return loss
  }

  private func masked(_ output: consuming NetworkOutput) -> Variable {
    guard let classMask else { return output.logits }
    return output.logits * classMask
  }

  /// Adds μ (u − u₀), zeros what is masked, and limits the norm.
  private func prepareGradients() {
    for (index, entry) in job.model.parameters.entries.enumerated() {
      let parameter = weights.trained[index]
      let mask = job.model.masks[entry.name]
      guard settings.proximal > 0 || mask != nil else { continue }
      let mu = settings.proximal
      parameter.update { value, gradient in
        guard var found = gradient.take() else { return }
        found.withUnsafeMutableElements { g in
          if mu > 0 {
            value.withUnsafeElements { u in
              entry.tensor.withUnsafeElements { start in
                for place in g.indices { g[place] += mu * (u[place] - start[place]) }
              }
            }
          }
          if let mask { for place in g.indices where !mask[place] { g[place] = 0 } }
        }
        gradient = consume found
      }
    }
    limitNorm()
  }

  private func limitNorm() {
    guard let limit = settings.gradientNorm else { return }
    let gradients = weights.trained.compactMap(\.gradient)
    let norm = gradients.reduce(0) { $0 + $1.withUnsafeElements(sumOfSquares) }.squareRoot()
    guard norm > Double(limit) else { return }
    for parameter in weights.trained {
      parameter.update { _, gradient in gradient?.scale(by: Float(Double(limit) / norm)) }
    }
  }

  private mutating func descend(_ parameter: Parameter, _ index: Int) {
    let rule = MomentumStep(
      rate: settings.learningRate,
      momentum: settings.momentum,
      decay: settings.weightDecay,
      looksAhead: false
    )
    parameter.update { value, gradient in
      guard let found = gradient.take() else { return }
      if velocities.isEmpty {
        value.step(rule, gradient: found)
      } else {
        value.step(rule, gradient: found, velocity: &velocities[index])
      }
    }
  }

  // MARK: - Ordered dropout

  /// The loss of a prefix whose rate is drawn for this step.
  private mutating func stepOverPrefix(_ batch: [Int32]) {
    var drawn = (generator ?? Philox(seed: 0)).fork(-1 - stepCount)
    let prefix = prefixes[drawn.integer(below: prefixes.count)]
    guard let coverage = prefix.coverage, let narrow = prefix.network else {
      loss(of: batch, network).backward()
      return
    }
    let wide = Dictionary(uniqueKeysWithValues: network.parameters.map { ($0.name, $0.parameter) })
    for entry in narrow.parameters {
      guard let source = wide[entry.name]?.value else { continue }
      entry.parameter.value = coverage[entry.name]?.part(of: source) ?? source
    }
    for norm in narrow.norms { norm.mode = .batch }
    prefixLoss(of: batch, narrow).backward()
    for entry in narrow.parameters {
      guard let target = wide[entry.name], let gradient = entry.parameter.gradient else { continue }
      entry.parameter.clearGradient()
      target.gradient = coverage[entry.name]?.expanded(gradient, to: target.shape) ?? gradient
    }
  }

  /// (1 − α) · cross-entropy + α · KL(whole ‖ prefix).
  private mutating func prefixLoss(
    of batch: [Int32],
    _ narrow: LocalTrainer.CachedNetwork
  ) -> Variable {
    let alpha = settings.distillation
    guard alpha > 0 else { return loss(of: batch, narrow) }
    let teacher = withoutGradients {
      masked(network.module(batch, of: .training, scale: scale)).value.softmax()
    }
    let output = narrow.module(batch, of: .training, scale: scale)
    let targets = output.targets
    let logits = masked(output)
    let distance = klDivergence(logProbabilities: logits.logSoftmax(), targets: teacher)
    let loss = crossEntropy(logits: logits, targets: targets)
    lossSum += Double(loss.item) * Double(batch.count)
    lossCount += batch.count
    return loss * (1 - alpha) + distance * alpha
  }
}
