import CKernels

extension Tensor where Element == Float {
  /// Zeros in the place of elements that are drawn with probability `rate`; the others divided by
  /// 1 − rate, so that the expectation stays.
  ///
  /// The mask depends on `mask` and the shape alone: the same call gives the same mask, which is how
  /// a backward pass finds it again. `rate` is in [0, 1]; at 1 everything is 0.
  ///
  /// - Source: Srivastava et al. 2014, "Dropout".
  public func droppingOut(_ rate: Float, mask: Philox) -> Tensor {
    expect(rate >= 0 && rate <= 1, "dropout: a rate of \(rate) is not in [0, 1]")
    if rate == 0 { return self }
    if rate == 1 { return .zeros(shape) }
    let threshold = UInt32(Double(rate) * 0x1p32)
    var source = mask.forKernels
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      withUnsafePointer(to: &source) { source in
        // The grain is a multiple of a chunk of 64 elements.
        forEachRange(count: count, grain: vectorGrain) { range in
          let first = range.lowerBound
          ck_dropout(
            source,
            range.count,
            UInt64(first / 64),
            threshold,
            1 / (1 - rate),
            start + first,
            to + first
          )
        }
      }
      withExtendedLifetime(storage) {}
    }
  }
}
