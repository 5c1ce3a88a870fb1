import CKernels

typealias RowsKernel = (Int, Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void

extension Tensor where Element == Float {
  /// Applies a kernel to the rows along the last axis, split over the pool.
  func mappedRows(_ operation: String, _ kernel: RowsKernel) -> Tensor {
    let width = lastExtent(operation)
    return withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress, width > 0 else { return }
        let rows = source.count / width
        WorkPool.forEachRange(count: rows, grain: rowGrain(width: width)) { range in
          let start = range.lowerBound * width
          kernel(range.count, width, from + start, to + start)
        }
      }
    }
  }

  /// exp(x) / Σ exp(x) along the last axis.
  public func softmax() -> Tensor { mappedRows("softmax", ck_softmax_rows) }

  /// weight ⊙ x / √(mean(x²) + epsilon) along the last axis.
  ///
  /// - Shapes: self [… × N], weight [N], result [… × N].
  /// - Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization".
  public func rmsNormalized(weight: Tensor, epsilon: Float) -> Tensor {
    expect(
      weight.rank == 1 && rank > 0 && weight.shape[0] == shape[-1],
      "rms norm: the weight must match the last axis, \(shape) · \(weight.shape)"
    )
    return weight.withUnsafeElements { scales in
      guard let scale = scales.baseAddress else { return self }
      return mappedRows("rms norm") { ck_rms_norm_rows($0, $1, $2, scale, epsilon, $3) }
    }
  }
}
