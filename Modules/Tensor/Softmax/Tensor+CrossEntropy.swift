import CKernels

/// What a row's gradient is multiplied by.
package enum RowFactors: Sendable {
  /// The same for all rows.
  case all(Float)
  /// One for each row, [N].
  case each(Tensor<Float>)
}

extension Tensor where Element == Float {
  /// The cross-entropy of each row of logits: log Σ exp(x) − x of the target, and what the options
  /// add.
  ///
  /// - Shapes: self [… × V], targets […] of 0 ..< V or the ignored target, result […].
  public func crossEntropy(
    targets: Tensor<Int32>,
    options: CrossEntropyOptions = CrossEntropyOptions()
  ) -> Tensor {
    checkTargets(targets, "cross-entropy", options)
    return Tensor(uninitialized: targets.shape) { losses in
      var job = ck_cross_entropy(start, targets, options)
      job.losses = losses.baseAddress
      job.run(rows: losses.count, width: shape[-1])
      withExtendedLifetime((storage, targets)) {}
    }
  }

  /// The log-probabilities of the targets: the logarithm of softmax, gathered without computing
  /// the rest of it; 0 for ignored targets.
  ///
  /// - Shapes: self [… × V], targets […] of 0 ..< V or the ignored target, result […].
  public func logProbabilities(of targets: Tensor<Int32>, ignoredTarget: Int32 = -100) -> Tensor {
    -crossEntropy(targets: targets, options: CrossEntropyOptions(ignoredTarget: ignoredTarget))
  }

  /// The cross-entropy of each row; the logits make room for their gradient, unless others see them.
  ///
  /// - Shapes: self [… × V], targets […], result […].
  package mutating func replaceByCrossEntropyGradient(
    targets: Tensor<Int32>,
    options: CrossEntropyOptions,
    factors: RowFactors
  ) -> Tensor {
    checkTargets(targets, "cross-entropy", options)
    let logits = start
    var shared: TensorStorage?
    if !storage.isWritable() {
      shared = storage
      self = Tensor(uninitialized: shape) { _ in }
    }
    return Tensor(uninitialized: targets.shape) { losses in
      var job = ck_cross_entropy(logits, targets, options)
      job.losses = losses.baseAddress
      job.gradient = start
      switch factors {
      case .all(let factor): job.factor = factor
      case .each(let factors): job.factors = UnsafePointer(factors.start)
      }
      job.run(rows: losses.count, width: shape[-1])
      withExtendedLifetime((shared, storage, targets, factors)) {}
    }
  }

  /// Stops unless each target is a class of the rows of self or the ignored one.
  package func checkTargets(
    _ targets: Tensor<Int32>,
    _ operation: String,
    _ options: CrossEntropyOptions
  ) {
    expect(
      rank > 0 && shape.droppingLast == targets.shape,
      "\(operation): a target for each row is needed, \(shape) · \(targets.shape)"
    )
    targets.check(below: shape[-1], operation, of: shape, ignoring: options.ignoredTarget)
  }
}

extension Tensor where Element == Float {
  /// Multiplies all elements in place; by 1 it does nothing.
  package mutating func scale(by factor: Float) {
    guard factor != 1 else { return }
    withUnsafeMutableElements { elements in
      guard let x = elements.baseAddress else { return }
      forEachRange(count: elements.count) { range in
        ck_scale_shift(range.count, x + range.lowerBound, factor, 0, x + range.lowerBound)
      }
    }
  }

  /// Multiplies the rows along the last axis by a scalar, or by one number each, in place.
  ///
  /// - Shapes: self [… × N], factors [] or […].
  package mutating func scaleRows(by factors: Tensor) {
    guard factors.rank > 0 else { return scale(by: factors.item) }
    let width = shape[-1]
    withUnsafeMutableElements { elements in
      guard let x = elements.baseAddress, width > 0 else { return }
      forEachRange(count: factors.count, grain: Swift.max(1, cheapGrain / width)) { rows in
        for row in rows {
          let at = x + row * width
          ck_scale_shift(width, at, factors.start[row], 0, at)
        }
      }
      withExtendedLifetime(factors.storage) {}
    }
  }
}

extension Tensor where Element == Int32 {
  /// The number of targets that count.
  package func countOfTargets(ignoring ignored: Int32) -> Int {
    withUnsafeElements {
      $0.reduce(into: 0) { count, target in count += target == ignored ? 0 : 1 }
    }
  }

  /// Stops unless each element lies in 0 ..< `limit` or is the ignored one.
  ///
  /// The message names the operation, and the shape that the elements are indices of.
  package func check(
    below limit: Int,
    _ operation: String,
    of shape: Shape,
    ignoring ignored: Int32? = nil
  ) {
    withUnsafeElements { indices in
      for index in indices where !(index >= 0 && index < limit) && index != ignored {
        expect(false, "\(operation): index \(index) of \(shape), expected 0 ..< \(limit)")
      }
    }
  }
}

extension ck_cross_entropy {
  init(
    _ logits: UnsafePointer<Float>,
    _ targets: Tensor<Int32>,
    _ options: CrossEntropyOptions
  ) {
    self.init()
    self.logits = logits
    self.targets = UnsafePointer(targets.start)
    ignored = options.ignoredTarget
    smoothing = options.labelSmoothing
    square_factor = options.zLossWeight
    factor = 1
  }

  /// Rows lie one after another from where the pointers point.
  func run(rows: Int, width: Int) {
    guard width > 0 else { return }
    forEachRange(count: rows, grain: rowGrain(width: width)) { range in
      var part = self
      let (row, first) = (range.lowerBound, range.lowerBound * width)
      part.rows = range.count
      part.n = width
      part.logits += first
      part.targets += row
      if let losses { part.losses = losses + row }
      if let gradient { part.gradient = gradient + first }
      if let factors { part.factors = factors + row }
      ck_cross_entropy_rows(&part)
    }
  }
}
