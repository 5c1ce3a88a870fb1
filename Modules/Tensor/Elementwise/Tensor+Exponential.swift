import CKernels

extension Tensor where Element == Float {
  /// e to the power of each element.
  public func exponential() -> Tensor { mapped(ck_exp) }

  /// x · sigmoid(x), elementwise.
  public func silu() -> Tensor { mapped(ck_silu) }

  /// silu(self) ⊙ up: the gate of a SwiGLU feed-forward network, in one pass.
  public func siluMultiplied(by up: Tensor) -> Tensor {
    expect(shape == up.shape, "silu multiply: shapes differ, \(shape) · \(up.shape)")
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      forEachRange(count: count, grain: vectorGrain) { range in
        let first = range.lowerBound
        ck_silu_multiply(range.count, start + first, up.start + first, to + first)
      }
      withExtendedLifetime((storage, up.storage)) {}
    }
  }

  private func mapped(
    _ kernel: (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      forEachRange(count: count, grain: vectorGrain) { range in
        kernel(range.count, start + range.lowerBound, to + range.lowerBound)
      }
      withExtendedLifetime(storage) {}
    }
  }
}
