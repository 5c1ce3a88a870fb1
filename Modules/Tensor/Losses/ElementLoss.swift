import CKernels

/// A loss of each element of x and its target; the raw values are CKernels'.
package struct ElementLoss: Sendable {
  package enum Kind: Int32, Sendable {
    case squared, absolute
    /// Quadratic up to `parameter`.
    case huber
    /// Cross-entropy of sigmoid(x); positives count `weights` times.
    case binary
    /// max(0, 1 − t x)
    case hinge
    /// t (log t − x)
    case divergence
    /// exp(t) (t − x)
    case logDivergence
  }

  package var kind: Kind
  package var parameter: Float
  /// Of the shape of x, or nil for 1.
  package var weights: Tensor<Float>?

  package init(_ kind: Kind, parameter: Float = 0, weights: Tensor<Float>? = nil) {
    self.kind = kind
    self.parameter = parameter
    self.weights = weights
  }

  /// The losses of the elements.
  package func losses(_ x: Tensor<Float>, _ target: Tensor<Float>) -> Tensor<Float> {
    Tensor(uninitialized: x.shape) { out in
      forEachRange(count: x.count, grain: vectorGrain) { range in
        var job = job(x, target, range)
        job.out = out.baseAddress.map { $0 + range.lowerBound }
        _ = ck_loss_sum(kind.rawValue, &job)
      }
    }
  }

  /// The sums of the losses of rows of `width` elements.
  package func sums(_ x: Tensor<Float>, _ target: Tensor<Float>, width: Int) -> [Double] {
    let rows = width > 0 ? x.count / width : 0
    // All empty arrays share one object, which must not be written on several threads.
    guard rows > 0 else { return [] }
    return [Double](unsafeUninitializedCapacity: rows) { sums, count in
      count = rows
      guard let to = sums.baseAddress else { return }
      forEachRange(count: rows, grain: rowGrain(width: width)) { range in
        for row in range {
          var job = job(x, target, row * width..<(row + 1) * width)
          to[row] = ck_loss_sum(kind.rawValue, &job)
        }
      }
    }
  }

  /// The sum of all losses: of stretches whose length depends on nothing, in order.
  package func sum(_ x: Tensor<Float>, _ target: Tensor<Float>) -> Double {
    let parts = (x.count + vectorGrain - 1) / vectorGrain
    guard parts > 0 else { return 0 }
    let sums = [Double](unsafeUninitializedCapacity: parts) { sums, count in
      count = parts
      guard let to = sums.baseAddress else { return }
      forEachRange(count: parts, grain: 1) { range in
        for part in range {
          let first = part * vectorGrain
          var job = job(x, target, first..<min(first + vectorGrain, x.count))
          to[part] = ck_loss_sum(kind.rawValue, &job)
        }
      }
    }
    return sums.reduce(0, +)
  }

  /// The gradient of x.
  ///
  /// - Parameters:
  ///   - x: as in the forward pass.
  ///   - target: as in the forward pass.
  ///   - upstream: the gradient of the losses, whose memory the result takes, or of their sum, or of
  ///     the sums of rows.
  ///   - factor: multiplies it.
  /// - Returns: the gradient of x.
  package func gradient(
    _ x: Tensor<Float>,
    _ target: Tensor<Float>,
    upstream: inout Tensor<Float>,
    factor: Float
  ) -> Tensor<Float> {
    guard upstream.shape != x.shape || x.rank == 0 else {
      upstream.withUnsafeMutableElements { elements in
        guard let g = elements.baseAddress else { return }
        forEachRange(count: x.count, grain: vectorGrain) { range in
          let own = g + range.lowerBound
          var job = job(x, target, range)
          job.upstream = UnsafePointer(own)
          job.factor = factor
          job.out = own
          ck_loss_gradient(kind.rawValue, &job)
        }
      }
      return upstream
    }
    let width = upstream.rank == 0 ? x.count : x.count / max(upstream.count, 1)
    return Tensor(uninitialized: x.shape) { out in
      guard let to = out.baseAddress, width > 0 else { return }
      for row in 0..<(x.count / width) {
        let start = row * width
        let g = upstream.start[row] * factor
        forEachRange(count: width, grain: vectorGrain) { range in
          let first = start + range.lowerBound
          var job = job(x, target, first..<start + range.upperBound)
          job.factor = g
          job.out = to + first
          ck_loss_gradient(kind.rawValue, &job)
        }
      }
    }
  }

  private func job(_ x: Tensor<Float>, _ target: Tensor<Float>, _ range: Range<Int>) -> ck_loss {
    var job = ck_loss()
    job.n = range.count
    job.x = UnsafePointer(x.start + range.lowerBound)
    job.target = UnsafePointer(target.start + range.lowerBound)
    job.weights = weights.map { UnsafePointer($0.start + range.lowerBound) }
    job.parameter = parameter
    return job
  }
}
