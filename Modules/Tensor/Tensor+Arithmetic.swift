import CKernels

/// The elements that one part of a parallel vector operation handles: about 64 KiB of each operand,
/// small enough for the second-level cache, long enough to be worth a hand-over.
let vectorGrain = 1 << 14

typealias UnaryKernel = (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
typealias BinaryKernel = (
  Int, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>
) -> Void

extension Tensor where Element == Float {
  func mapped(_ kernel: UnaryKernel) -> Tensor {
    withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        WorkPool.forEachRange(count: source.count, grain: vectorGrain) { range in
          kernel(range.count, from + range.lowerBound, to + range.lowerBound)
        }
      }
    }
  }

  func combined(with other: Tensor, _ name: String, _ kernel: BinaryKernel) -> Tensor {
    expect(shape == other.shape, "\(name): shapes differ, \(shape) · \(other.shape)")
    return withUnsafeElements { left in
      other.withUnsafeElements { right in
        Tensor(uninitialized: shape) { target in
          guard let a = left.baseAddress, let b = right.baseAddress, let to = target.baseAddress
          else { return }
          WorkPool.forEachRange(count: left.count, grain: vectorGrain) { range in
            let start = range.lowerBound
            kernel(range.count, a + start, b + start, to + start)
          }
        }
      }
    }
  }

  /// The elementwise sum of two tensors of one shape.
  public static func + (left: Tensor, right: Tensor) -> Tensor {
    left.combined(with: right, "add", ck_add)
  }

  /// The elementwise difference of two tensors of one shape.
  public static func - (left: Tensor, right: Tensor) -> Tensor {
    left.combined(with: right, "subtract", ck_subtract)
  }

  /// The elementwise product of two tensors of one shape.
  public static func * (left: Tensor, right: Tensor) -> Tensor {
    left.combined(with: right, "multiply", ck_multiply)
  }

  /// The elementwise quotient of two tensors of one shape.
  public static func / (left: Tensor, right: Tensor) -> Tensor {
    left.combined(with: right, "divide", ck_divide)
  }

  /// Every element times a number.
  public static func * (left: Tensor, right: Float) -> Tensor {
    left.mapped { ck_scale_shift($0, $1, right, 0, $2) }
  }

  /// Every element times a number.
  public static func * (left: Float, right: Tensor) -> Tensor { right * left }

  /// Every element plus a number.
  public static func + (left: Tensor, right: Float) -> Tensor {
    left.mapped { ck_scale_shift($0, $1, 1, right, $2) }
  }

  /// Adds a tensor of the same shape in place.
  public static func += (left: inout Tensor, right: Tensor) {
    expect(left.shape == right.shape, "add: shapes differ, \(left.shape) · \(right.shape)")
    left.withUnsafeMutableElements { target in
      right.withUnsafeElements { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        WorkPool.forEachRange(count: source.count, grain: vectorGrain) { range in
          let start = range.lowerBound
          ck_add(range.count, to + start, from + start, to + start)
        }
      }
    }
  }

  /// e to the power of each element.
  public func exponential() -> Tensor { mapped(ck_exp) }

  /// x · sigmoid(x), elementwise.
  public func silu() -> Tensor { mapped(ck_silu) }

  /// silu(self) ⊙ up: the gate of a SwiGLU feed-forward network, in one pass.
  public func siluMultiplied(by up: Tensor) -> Tensor {
    combined(with: up, "silu multiply", ck_silu_multiply)
  }
}
