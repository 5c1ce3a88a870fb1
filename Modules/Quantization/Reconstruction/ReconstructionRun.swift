import Autograd
import Tensor

/// What a reconstruction trains, as the caller computes it.
struct ReconstructedFunction {
  let forward: (Variable) -> Variable
  /// Another loss than the squared error; nil for that.
  let loss: Reconstruction.Loss?
  let penalty: (_ share: Float) -> Variable?
  let willTrain: (Bool) -> Void
}

/// The samples of a reconstruction: which are trained on, in which order, and which judge.
struct ReconstructionSamples {
  let inputs: Tensor<Float>
  let originals: Tensor<Float>?
  let targets: Tensor<Float>
  let trained: [Int32]
  let heldBack: [Int32]
  private let batches: [[Int]]?
  private var sampler: BatchSampler
  private var generator: Philox
  private let probability: Float

  init(
    inputs: Tensor<Float>,
    originals: Tensor<Float>?,
    targets: Tensor<Float>,
    settings: ReconstructionSettings,
    batches: [[Int]]?
  ) {
    self.inputs = inputs
    self.originals = originals
    self.targets = targets
    self.batches = batches
    let count = inputs.shape[0]
    var generator = Philox(seed: settings.seed)
    let order = Tensor<Int32>.permutation(count, using: &generator).elements
    let share = settings.heldBackShare * Double(count)
    let held = share > 0 && count > 1 ? min(max(Int(share.rounded()), 1), count - 1) : 0
    heldBack = order.suffix(held).sorted()
    trained = order.prefix(count - held).sorted()
    sampler = BatchSampler(
      count: trained.count,
      batchSize: min(settings.batchSize, trained.count),
      order: .shuffled(seed: settings.seed)
    )
    self.generator = Philox(seed: settings.seed).fork(1)
    probability = settings.quantizedInputProbability
  }

  /// The samples of a step.
  mutating func batch(_ step: Int) -> (input: Tensor<Float>, target: Tensor<Float>) {
    let indices: [Int32]
    if let batches {
      indices = batches[step].map { Int32($0) }
    } else {
      indices = (sampler.next()?.indices ?? []).map { trained[$0] }
    }
    var input = inputs.rows(indices)
    if let originals, probability < 1 {
      input = QDrop.mixing(
        input,
        originals.rows(indices),
        probability: probability,
        using: &generator
      )
    }
    return (input, targets.rows(indices))
  }

  /// The mean squared error over the samples that judge: all, where none is held back.
  func error(batchSize: Int, _ function: ReconstructedFunction) -> Double {
    function.willTrain(false)
    defer { function.willTrain(true) }
    let judges = heldBack.isEmpty ? trained : heldBack
    var sum = 0.0
    for start in stride(from: 0, to: judges.count, by: batchSize) {
      let indices = Array(judges[start..<min(start + batchSize, judges.count)])
      let output = withoutGradients {
        function.forward(Variable(inputs.rows(indices))).value
      }
      let target = targets.rows(indices)
      let mean = withoutGradients {
        function.loss.map { $0(Variable(output), target).item }
          ?? meanSquaredError(predictions: Variable(output), targets: Variable(target)).item
      }
      sum += Double(mean) * Double(indices.count)
    }
    return sum / Double(judges.count)
  }
}

/// One run of a reconstruction.
struct ReconstructionRun {
  let settings: ReconstructionSettings
  let parameters: [Parameter]
  var samples: ReconstructionSamples
  private var report = ReconstructionReport()

  init(
    settings: ReconstructionSettings,
    parameters: [Parameter],
    samples: ReconstructionSamples
  ) {
    self.settings = settings
    self.parameters = parameters
    self.samples = samples
  }

  private var values: [Tensor<Float>] { parameters.map(\.value) }

  private func restore(_ values: [Tensor<Float>]) {
    for (parameter, value) in zip(parameters, values) {
      parameter.value = value
      parameter.clearGradient()
    }
  }

  mutating func train(
    _ function: ReconstructedFunction,
    _ progress: (Reconstruction.Progress) -> Bool
  ) throws(QuantizationError) -> ReconstructionReport {
    let start = values
    report.heldBackCount = samples.heldBack.count
    report.startError = samples.error(batchSize: settings.batchSize, function)
    var best: [Tensor<Float>]?
    var isFinite = parameters.isEmpty || settings.steps == 0
    for attempt in 0..<2 where !isFinite {
      report.restarts = attempt
      restore(best ?? start)
      let scale: Float = attempt == 0 ? 1 : 0.5
      do throws(QuantizationError) {
        isFinite = try descend(scale, &best, function, progress)
      } catch {
        restore(start)
        throw error
      }
    }
    finish(isFinite, start: start, best: best, function)
    return report
  }

  /// All steps once; false when a loss was not finite.
  private mutating func descend(
    _ scale: Float,
    _ best: inout [Tensor<Float>]?,
    _ function: ReconstructedFunction,
    _ progress: (Reconstruction.Progress) -> Bool
  ) throws(QuantizationError) -> Bool {
    (report.losses, report.learningRates, report.gradientNorms) = ([], [], [])
    let schedule = settings.schedule(scale: scale)
    let optimizer = Adam([ParameterGroup(parameters)], learningRate: schedule(0))
    let interval = settings.checkInterval ?? max(settings.steps / 10, 1)
    for step in 0..<settings.steps {
      let (input, target) = samples.batch(step)
      let output = function.forward(Variable(input))
      let loss = (function.loss ?? Reconstruction.loss)(output, target)
      let penalty = function.penalty(Float(step) / Float(settings.steps))
      (penalty.map { loss + $0 } ?? loss).backward()
      let norm = gradientNorm(of: parameters)
      report.losses.append(loss.item)
      report.gradientNorms.append(norm)
      report.learningRates.append(schedule(step))
      guard loss.item.isFinite, norm.isFinite else { return false }
      optimizer.learningRate = schedule(step)
      optimizer.step()
      for parameter in parameters { parameter.clearGradient() }
      let done = step + 1
      if settings.selection == .best, done % interval == 0, done < settings.steps {
        check(after: done, &best, function)
      }
      let state = Reconstruction.Progress(step: done, steps: settings.steps, loss: loss.item)
      guard progress(state) else { throw .cancelled }
    }
    return true
  }

  private mutating func check(
    after step: Int,
    _ best: inout [Tensor<Float>]?,
    _ function: ReconstructedFunction
  ) {
    let error = samples.error(batchSize: settings.batchSize, function)
    guard error < report.bestError ?? .infinity else { return }
    report.bestError = error
    report.bestStep = step
    best = values
  }

  /// Leaves the parameters that the selection asks for; ties go to the earlier ones.
  private mutating func finish(
    _ isFinite: Bool,
    start: [Tensor<Float>],
    best: [Tensor<Float>]?,
    _ function: ReconstructedFunction
  ) {
    let end = isFinite ? samples.error(batchSize: settings.batchSize, function) : .infinity
    report.endError = end.isFinite ? end : nil
    if settings.selection == .last, end.isFinite {
      report.choice = .end
      return
    }
    let bestError = report.bestError ?? .infinity
    if let best, bestError < report.startError, bestError <= end {
      report.choice = .checkpoint
      restore(best)
    } else if end < report.startError {
      report.choice = .end
    } else {
      report.choice = .start
      restore(start)
    }
  }
}
