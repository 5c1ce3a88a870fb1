import CKernels

/// The gradients of a weight and a bias that rows share.
package struct NormGradients: Sendable {
  /// Σ over rows of g ⊙ x̂.
  package var weight: Tensor<Float>?
  /// Σ over rows of g.
  package var bias: Tensor<Float>?

  package init() {}

  init(weight: Tensor<Float>?, bias: Tensor<Float>?) {
    self.weight = weight
    self.bias = bias
  }
}

extension NormalizedRows {
  /// The rows of one partial sum of the weight's gradient: enough to make the sums of parts cheap,
  /// from the shape alone.
  private func rowsOfPart(_ rows: Int, _ width: Int) -> Int {
    max(4 * rowGrain(width: width), (rows / 64 + 3) / 4 * 4, 16)
  }

  /// The way back through a normalization: the gradient of the input in one pass, those of the
  /// weight and the bias as partial sums of blocks of rows, added in order.
  ///
  /// - Parameters:
  ///   - rule: as in the forward pass.
  ///   - weight: as in the forward pass.
  ///   - wanted: whether the gradients of the weight and of the bias are computed.
  ///   - gradient: that of the output; afterwards that of the input, unless that is added to
  ///     `accumulated`.
  ///   - accumulated: a gradient of the input to add to, instead of replacing `gradient`.
  /// - Returns: the gradients of the weight and the bias where they are wanted.
  package func gradients(
    of rule: RowNormalization,
    weight: Tensor<Float>?,
    wanted: (input: Bool, weight: Bool, bias: Bool),
    gradient: inout Tensor<Float>,
    addingTo accumulated: inout Tensor<Float>?
  ) -> NormGradients {
    let width = input.shape[-1]
    let rows = width > 0 ? input.count / width : 0
    let grain = rowsOfPart(rows, width)
    let parts = (rows + grain - 1) / grain
    let sums = [wanted.weight, wanted.bias].count { $0 }
    var job = ck_norm_gradient()
    job.n = width
    job.weight = weight.map { UnsafePointer($0.start) }
    job.weight_offset = rule.weightOffset
    var partial = Tensor<Float>.zeros([parts, sums, width])
    partial.withUnsafeMutableElements { partial in
      let body: (UnsafeMutablePointer<Float>?, UnsafePointer<Float>, Bool) -> Void = {
        out,
        g,
        adds in
        job.out = out
        job.gradient = g
        job.adds = adds
        self.run(job, wanted, grain: grain, rows: rows, partial.baseAddress)
      }
      if !wanted.input {
        gradient.withUnsafeElements { g in g.baseAddress.map { body(nil, $0, false) } }
      } else if accumulated != nil {
        accumulated?.withUnsafeMutableElements { out in
          gradient.withUnsafeElements { g in g.baseAddress.map { body(out.baseAddress, $0, true) } }
        }
      } else {
        gradient.rewrite { from, to in body(to, from, false) }
      }
    }
    withExtendedLifetime((weight, self)) {}
    return NormGradients(
      weight: wanted.weight ? Self.total(partial, 0) : nil,
      bias: wanted.bias ? Self.total(partial, sums - 1) : nil
    )
  }

  private func run(
    _ job: ck_norm_gradient,
    _ wanted: (input: Bool, weight: Bool, bias: Bool),
    grain: Int,
    rows: Int,
    _ partial: UnsafeMutablePointer<Float>?
  ) {
    let width = job.n
    let sums = (wanted.weight ? 1 : 0) + (wanted.bias ? 1 : 0)
    WorkPool.forEachRange(count: rows, grain: grain) { range in
      var part = job
      let (row, first) = (range.lowerBound, range.lowerBound * width)
      part.rows = range.count
      part.x = UnsafePointer(input.start + first)
      part.means = means.map { UnsafePointer($0.start + row) }
      part.inverses = UnsafePointer(inverses.start + row)
      part.gradient += first
      if let out = part.out { part.out = out + first }
      if let partial, sums > 0 {
        let own = partial + row / grain * sums * width
        if wanted.weight { part.weight_sums = own }
        if wanted.bias { part.bias_sums = own + (sums - 1) * width }
      }
      ck_norm_gradient_rows(&part)
    }
  }

  /// Σ over parts of partial [parts × sums × N] at one of the sums: [N].
  private static func total(_ partial: Tensor<Float>, _ index: Int) -> Tensor<Float> {
    let (parts, sums, width) = (partial.shape[0], partial.shape[1], partial.shape[2])
    return Tensor(uninitialized: [width]) { target in
      guard let to = target.baseAddress else { return }
      withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { total in
        guard let sum = total.baseAddress else { return }
        sum.update(repeating: 0, count: width)
        let from = partial.start + index * width
        ck_reduce_columns(Reduction.sum.rawValue, parts, width, from, sums * width, nil, sum)
        for column in 0..<width { to[column] = Float(sum[column]) }
      }
      withExtendedLifetime(partial.storage) {}
    }
  }
}
