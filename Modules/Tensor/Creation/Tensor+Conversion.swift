import CKernels

extension Tensor where Element == Float {
  /// The exact float values of half-precision numbers.
  public init(converting other: Tensor<Float16>) {
    self = other.convertedBits(ck_float16_to_float32)
  }

  /// The exact float values of bfloat16 numbers.
  public init(converting other: Tensor<BFloat16>) {
    self = other.convertedBits(ck_bfloat16_to_float32)
  }

  fileprivate func narrowedBits<Other: TensorElement>(
    _ kernel: (Int, UnsafePointer<Float>, UnsafeMutablePointer<UInt16>) -> Void
  ) -> Tensor<Other> {
    withUnsafeElements { source in
      Tensor<Other>(uninitialized: shape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        to.withMemoryRebound(to: UInt16.self, capacity: target.count) { bits in
          WorkPool.forEachRange(count: source.count, grain: vectorGrain) { range in
            kernel(range.count, from + range.lowerBound, bits + range.lowerBound)
          }
        }
      }
    }
  }
}

extension Tensor {
  fileprivate func convertedBits(
    _ kernel: (Int, UnsafePointer<UInt16>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor<Float> {
    withUnsafeElements { source in
      Tensor<Float>(uninitialized: shape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        from.withMemoryRebound(to: UInt16.self, capacity: source.count) { bits in
          WorkPool.forEachRange(count: source.count, grain: vectorGrain) { range in
            kernel(range.count, bits + range.lowerBound, to + range.lowerBound)
          }
        }
      }
    }
  }
}

extension Tensor where Element == Float16 {
  /// The nearest half-precision numbers, ties to even; overflow becomes infinity.
  public init(converting other: Tensor<Float>) {
    self = other.narrowedBits(ck_float32_to_float16)
  }
}

extension Tensor where Element == BFloat16 {
  /// The nearest bfloat16 numbers, ties to even.
  public init(converting other: Tensor<Float>) {
    self = other.narrowedBits(ck_float32_to_bfloat16)
  }
}
