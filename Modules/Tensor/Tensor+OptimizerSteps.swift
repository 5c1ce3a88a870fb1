import CKernels

/// The numbers of one step of Adam: value −= stepSize · mean / (rootScale · √square + epsilon).
package struct AdamStep: Sendable {
  /// What pulls values towards 0.
  package enum Decay: Sendable {
    /// A share of the value that is added to the gradient.
    case coupled(Float)
    /// A share of the value that is subtracted from it.
    case decoupled(Float)
  }

  /// 1 − β₁.
  package var meanRate: Float
  /// 1 − β₂.
  package var squareRate: Float
  package var stepSize: Float
  package var rootScale: Float
  package var epsilon: Float
  package var decay: Decay

  package init(
    rates: (mean: Float, square: Float),
    stepSize: Float,
    rootScale: Float,
    epsilon: Float,
    decay: Decay
  ) {
    meanRate = rates.mean
    squareRate = rates.square
    self.stepSize = stepSize
    self.rootScale = rootScale
    self.epsilon = epsilon
    self.decay = decay
  }
}

/// The numbers of one step of gradient descent: value −= rate · velocity.
package struct MomentumStep: Sendable {
  package var rate: Float
  package var momentum: Float
  /// A share of the value that is added to the gradient.
  package var decay: Float
  /// Whether the step looks ahead, as Nesterov's does.
  package var looksAhead: Bool

  package init(rate: Float, momentum: Float, decay: Float, looksAhead: Bool) {
    self.rate = rate
    self.momentum = momentum
    self.decay = decay
    self.looksAhead = looksAhead
  }
}

/// The numbers of one step of Lion: value −= rate · sign(mean + blendRate · (gradient − mean)).
package struct LionStep: Sendable {
  /// 1 − β₁.
  package var blendRate: Float
  /// 1 − β₂.
  package var meanRate: Float
  package var rate: Float
  /// A share of the value that is subtracted from it.
  package var decay: Float

  package init(blendRate: Float, meanRate: Float, rate: Float, decay: Float) {
    self.blendRate = blendRate
    self.meanRate = meanRate
    self.rate = rate
    self.decay = decay
  }
}

/// One pass over a value, its gradient and its moments, in place when their memory is not shared.
/// The bits depend neither on the thread count nor on the instruction set.
extension Tensor where Element == Float {
  /// A step of Adam; see `ck_adam`.
  package mutating func step(
    _ step: AdamStep,
    gradient: Tensor,
    mean: inout Tensor,
    square: inout Tensor
  ) {
    expectShapes(gradient, mean, square)
    var job = ck_adam()
    job.value = mutableStart()
    job.gradient = UnsafePointer(gradient.start)
    job.mean = mean.mutableStart()
    job.square = square.mutableStart()
    job.mean_rate = step.meanRate
    job.square_rate = step.squareRate
    job.step_size = step.stepSize
    job.root_scale = step.rootScale
    job.epsilon = step.epsilon
    switch step.decay {
    case .coupled(let decay): (job.decay, job.is_coupled) = (decay, true)
    case .decoupled(let decay): (job.decay, job.is_coupled) = (decay, false)
    }
    forEachRange(count: count, grain: stepGrain(count)) { range in
      withUnsafePointer(to: job) { ck_adam_step($0, range.lowerBound, range.count) }
    }
    withExtendedLifetime((self, gradient, mean, square)) {}
  }

  /// A step of gradient descent; see `ck_sgd`.
  package mutating func step(_ step: MomentumStep, gradient: Tensor, velocity: inout Tensor) {
    expectShapes(gradient, velocity)
    descend(step, gradient, velocity.mutableStart())
    withExtendedLifetime(velocity) {}
  }

  /// A step of gradient descent without momentum.
  package mutating func step(_ step: MomentumStep, gradient: Tensor) {
    expectShapes(gradient)
    descend(step, gradient, nil)
  }

  private mutating func descend(
    _ step: MomentumStep,
    _ gradient: Tensor,
    _ velocity: UnsafeMutablePointer<Float>?
  ) {
    var job = ck_sgd()
    job.value = mutableStart()
    job.gradient = UnsafePointer(gradient.start)
    job.velocity = velocity
    job.rate = step.rate
    job.momentum = step.momentum
    job.decay = step.decay
    job.looks_ahead = step.looksAhead
    forEachRange(count: count, grain: stepGrain(count)) { range in
      withUnsafePointer(to: job) { ck_sgd_step($0, range.lowerBound, range.count) }
    }
    withExtendedLifetime((self, gradient)) {}
  }

  /// A step of Lion; see `ck_lion`.
  package mutating func step(_ step: LionStep, gradient: Tensor, mean: inout Tensor) {
    expectShapes(gradient, mean)
    var job = ck_lion()
    job.value = mutableStart()
    job.gradient = UnsafePointer(gradient.start)
    job.mean = mean.mutableStart()
    job.blend_rate = step.blendRate
    job.mean_rate = step.meanRate
    job.rate = step.rate
    job.decay = step.decay
    forEachRange(count: count, grain: stepGrain(count)) { range in
      withUnsafePointer(to: job) { ck_lion_step($0, range.lowerBound, range.count) }
    }
    withExtendedLifetime((self, gradient, mean)) {}
  }

  /// Where the elements lie, for writing: valid as long as this tensor is not copied or replaced.
  private mutating func mutableStart() -> UnsafeMutablePointer<Float> {
    withUnsafeMutableElements { _ in }
    return start
  }

  private func expectShapes(_ others: Tensor...) {
    for other in others {
      expect(shape == other.shape, "optimizer step: shapes differ, \(shape) · \(other.shape)")
    }
  }
}

/// The elements of one part of a step: an eighth of the tensor, but not less than `vectorGrain`.
///
/// Memory streams best in long runs, and where a tensor is split changes no bit.
private func stepGrain(_ count: Int) -> Int { max(vectorGrain, (count / 8 + 63) & ~63) }
